"""The playground's controls: who asks what, and the policy, which is the one that travels from page to page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from lrerank.store import Store
from lrerank.ui.catalogs.listing import Entry, entries
from lrerank.ui.frame import choose, chosen
from lrerank.ui.playground.asked import STRATEGIES, Asked, clicks_until_the_model, pages_explored, strategy_label
from lrerank.ui.playground.cards import TITLES
from lrerank.ui.playground.results import OTHERS
from lrerank.ui.playground.session import Session
from lrerank.ui.playground.stages import Stages, same_setting
from lrerank.ui.policy import Policy
from lrerank.ui.words import plain

_WORLDS = {"marketplace": "Marketplace", "news": "News"}
_FIRST_USER = {"marketplace": "Electronics", "news": "Politics"}
_FIRST_QUERY = {"marketplace": "noise cancelling headphones", "news": "coalition talks"}
# A draw that explores one slot, so that the first look shows what that is.
_FIRST_SEED = 20
_KNOBS = {
    "softmax": ("temperature", "Temperature", "The higher, the more the strategy draws from lower values."),
    "squarecb": ("gamma", "Gamma", "The higher, the less the strategy draws from lower values."),
}
_VISITOR, _CHANGED = "visitor", "changed in the playground"
HANDED = "playground-catalog"
"""Where another page says which catalog to open."""


def catalog_control() -> Entry:
    """Which catalog; another page may have named one. In the address as `catalog`."""
    known = {entry.name: entry for entry in entries(Store()) if entry.state == "ready"}
    titles = {entry.name: _WORLDS.get(entry.name, entry.title) for entry in known.values()}
    names = list(known)
    for named in (_given("catalog"), st.session_state.pop(HANDED, None)):
        if named in names:
            st.session_state["world"] = named
    if st.session_state.get("world") not in names:
        st.session_state["world"] = names[0]
    found = st.selectbox(
        "Catalog",
        names,
        format_func=lambda name: titles.get(name, name),
        key="world",
        persist_state="session",
    )
    _write("catalog", found)
    return known[found]


def person_control(session: Session) -> str:
    """Who asks; in the address as `user`, `visitor` for the new visitor."""
    world, labels = session.world, {person.user_id: person.label for person in session.people}
    key, given = f"user-{world}", _given("user")
    named = session.visitor if given == _VISITOR else given
    if named in labels:
        st.session_state[key] = named
    if st.session_state.get(key) not in labels:
        start = _FIRST_USER.get(world, "")
        first = (person.user_id for person in session.people[1:] if person.segment.startswith(start))
        st.session_state[key] = next(first, session.visitor)
    user = st.selectbox("Person", list(labels), format_func=labels.__getitem__, key=key, persist_state="session")
    _write("user", _VISITOR if user == session.visitor else user)
    return user


def query_control(session: Session) -> str:
    """What is asked; in the address as `query`."""
    world, known, key = session.world, session.queries, f"query-{session.world}"
    given = _given("query")
    if given:
        st.session_state[key] = given
    elif key not in st.session_state:
        first = _FIRST_QUERY.get(world)
        st.session_state[key] = first if first in known else known[0]
    query = st.selectbox(
        "Query",
        known,
        accept_new_options=True,
        placeholder="Choose or type a query",
        help="Choose one of those that made-up users search for, or type another.",
        key=key,
        persist_state="session",
    )
    _write("query", query or "")
    return (query or "").strip()


def lists_control() -> list[str]:
    """Which lists stand beside the learned one."""
    found = st.pills(
        "Compare with",
        OTHERS,
        selection_mode="multi",
        default=OTHERS,
        format_func=lambda name: TITLES[name],
        key="lists",
        help="Which lists stand beside the learned one.",
        persist_state="session",
    )
    return [name for name in OTHERS if name in found]


def policy_controls(session: Session) -> Policy:
    """The chosen policy, and what changes it. The policy is the only truth: the widgets are set from it in each run."""
    policy, stages = chosen(), stages_of(session.world)
    _show("rate", policy.exploration_rate)
    st.slider("Exploration rate", 0.0, 1.0, step=0.01, key="rate", on_change=_change, args=("rate", "exploration_rate"))
    explored = stages.slots - int(stages.more.get("explore_from_slot", 1)) + 1
    st.caption(
        f"{pages_explored(policy, max(explored, 0))}.",
        help="The rate holds for each slot of the list, so the share of pages is 1 − (1 − rate)¹⁰ for ten slots.",
    )
    _show("strategy", policy.strategy)
    strategies = [*STRATEGIES, *({policy.strategy} - set(STRATEGIES))]
    st.selectbox(
        "Strategy",
        strategies,
        format_func=strategy_label,
        key="strategy",
        on_change=_change,
        args=("strategy", "strategy"),
    )
    if policy.strategy in _KNOBS:
        name, title, told = _KNOBS[policy.strategy]
        _show(name, getattr(policy, name))
        st.number_input(
            title, 0.001, None, step=0.01, format="%.4g", key=name, help=told, on_change=_change, args=(name, name)
        )
    known, key = session.features(), f"dropped-{session.world}"
    dropped = session.dropped(policy.features)
    _show(key, dropped)
    st.multiselect(
        "Dropped features",
        known,
        format_func=lambda path: path.rsplit(".", 1)[-1].replace("_", " "),
        key=key,
        placeholder="None: the model sees all",
        help="What the model may not look at. Incoming score and rank always count.",
        on_change=_drop,
        args=(key, tuple(known)),
    )
    if policy.features is not None and len(dropped) == len(known):
        st.warning("The model knows none of the policy's features. Take one out of this list.")
    _show("fallback", policy.fallback)
    st.segmented_control(
        "Fallback for strangers",
        ["rerank", "mmr"],
        required=True,
        key="fallback",
        on_change=_change,
        args=("fallback", "fallback"),
        width="stretch",
    )
    _show("cold_start", policy.cold_start_after)
    st.number_input(
        "Clicks until the model ranks",
        0,
        100,
        step=1,
        key="cold_start",
        help="cold_start_after in the stage. Purchases count as clicks.",
        on_change=_change,
        args=("cold_start", "cold_start_after"),
    )
    st.caption(clicks_until_the_model(policy.cold_start_after))
    changed = not same_setting(policy, Policy()) or stages != Stages()
    st.caption(f"Setting: {plain(policy.origin)}." if changed else "Setting: the stage's defaults.")
    st.button(
        "Reset to the stage's defaults",
        icon=":material/restart_alt:",
        width="stretch",
        key="reset",
        disabled=not changed,
        on_click=_reset,
        args=(session.world,),
    )
    st.session_state.setdefault("seed", _FIRST_SEED)
    st.button(
        "Draw again",
        icon=":material/casino:",
        width="stretch",
        key="draw-again",
        on_click=_draw_again,
        help="Exploration draws by chance. Another draw of the same request, without learning anything.",
    )
    return policy


def without_bag() -> None:
    """Makes the chosen policy, whose strategy is `bag`, one that the playground's model can follow."""
    _choose(lambda policy: replace(policy, strategy="epsilon_greedy", origin=_CHANGED))


def asked(session: Session, user: str, query: str, policy: Policy) -> Asked:
    """What the controls say."""
    return Asked(session.world, user, query, policy, st.session_state["seed"], stages_of(session.world))


def stages_of(world: str) -> Stages:
    """What the edited JSON says beside the policy."""
    found: Stages = st.session_state.get(f"stages-{world}", Stages())
    return found


def keep_stages(world: str, stages: Stages) -> None:
    """Makes it what the pipeline says beside the policy."""
    st.session_state[f"stages-{world}"] = stages


def _given(name: str) -> str | None:
    """What the address says, unless this page wrote it: then the widget is newer."""
    value = st.query_params.get(name)
    return None if value == st.session_state.get(f"address-{name}") else value


def _write(name: str, value: str) -> None:
    st.query_params[name] = st.session_state[f"address-{name}"] = value


def _show(key: str, value: Any) -> None:
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def _change(key: str, name: str) -> None:
    value: Any = st.session_state[key]
    changes: dict[str, Any] = {name: value, "origin": _CHANGED}
    _choose(lambda policy: replace(policy, **changes))


def _drop(key: str, known: tuple[str, ...]) -> None:
    """What is dropped is dropped; a policy can't look at nothing, so the last feature stays."""
    dropped = set(st.session_state[key])
    features = tuple(path for path in known if path not in dropped)
    if features:
        _choose(lambda policy: replace(policy, features=features if dropped else None, origin=_CHANGED))


def _choose(change: Callable[[Policy], Policy]) -> None:
    choose(change(chosen()))


def _reset(world: str) -> None:
    choose(Policy())
    keep_stages(world, Stages())


def _draw_again() -> None:
    st.session_state["seed"] += 1
