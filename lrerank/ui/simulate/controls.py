"""The narrow column of the page Simulate: few knobs in front, the rest behind "More"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lrerank.errors import LrerankError
from lrerank.experiments.spec import Experiment
from lrerank.store import Store
from lrerank.ui.catalogs.choosing import catalog_box
from lrerank.ui.frame import choose, chosen, number_box
from lrerank.ui.playground.asked import STRATEGIES, pages_explored, strategy_label
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.setup import ARMS, BASELINES, GREEDY, LEARNED, USUAL_ARMS, Setup, populations
from lrerank.ui.words import plain, told

_BUDGETS = (2000, 3000, 4000, 8000, 16_000, 40_000)
_CLICK_MODELS = {
    "pbm": "Position-based (PBM)",
    "cascade": "Cascade",
    "dbn": "Dynamic Bayesian (DBN)",
    "search_page": "Search page, fitted to Wikimedia",
    "product_grid": "Product grid",
}
_POPULATIONS = "the population's"
_ASKED_CATALOG, _RATE, _STRATEGY = "simulate-catalog", "simulate-rate", "simulate-strategy"


def controls() -> tuple[Setup, bool, float]:
    """Draws the knobs.

    Returns:
        What is set, whether a run may end as soon as its answer is clear, and the user's own searches a day.
    """
    catalog = catalog_box(Store(), _ASKED_CATALOG)
    who = populations()
    population = st.selectbox(
        "Population", list(who), format_func=lambda name: who[name].label, key="population", bind="query-params"
    )
    st.caption(who[population].told)
    arms = st.multiselect(
        "Policies",
        list(ARMS),
        default=list(USUAL_ARMS),
        format_func=lambda name: ARMS[name].label,
        key="arms",
        wrap=True,
        bind="query-params",
        help="\n\n".join(f"**{arm.label}**: {arm.told}" for arm in ARMS.values()),
    )
    policy = _policy() if {LEARNED, GREEDY} & set(arms) else chosen()
    impressions = st.select_slider(
        "Searches per replicate",
        _BUDGETS,
        value=3000,
        format_func=lambda count: f"{count:,}",
        key="searches",
        bind="query-params",
        help="After a log of static lists that learners begin with. The second half is measured.",
    )
    stops = st.toggle(
        "Stop when clear",
        value=True,
        key="stops",
        bind="query-params",
        help="Ends as soon as the answer is clear: looks after every replicate (or world), with an interval that allows for looking.",
    )
    with st.expander("More"):
        more = _more()
    traffic = more.pop("traffic")
    setup = Setup(policy, catalog, population, tuple(arms), impressions=impressions, **more)
    return setup, stops, traffic


def checked(setup: Setup) -> Experiment | None:
    """The experiment, or None after a sentence on what can't be used."""
    if not set(setup.arms) - {setup.baseline}:
        st.warning("Choose at least one policy beside the baseline.")
        return None
    try:
        return setup.experiment()
    except LrerankError as error:
        st.error(told(error))
        return None


def _policy() -> Policy:
    """The policy that travels, of which rate and strategy may be changed here."""
    policy = chosen()
    # The policy is the only truth: another page, or a run that is taken over, may have changed it.
    st.session_state[_RATE], st.session_state[_STRATEGY] = policy.exploration_rate, policy.strategy
    st.slider(
        "Exploration rate",
        0.0,
        1.0,
        step=0.01,
        key=_RATE,
        help=_explained(policy),
        on_change=_change,
        args=(_RATE, "exploration_rate"),
    )
    st.selectbox(
        "Strategy",
        list(dict.fromkeys([*STRATEGIES, policy.strategy])),
        format_func=strategy_label,
        key=_STRATEGY,
        on_change=_change,
        args=(_STRATEGY, "strategy"),
    )
    st.caption(f"{pages_explored(policy)}.")
    return policy


def _change(key: str, name: str) -> None:
    changes: dict[str, Any] = {name: st.session_state[key], "origin": "the page Simulate"}
    choose(replace(chosen(), **changes))


def _explained(policy: Policy) -> str:
    features = "all features" if policy.features is None else f"{len(policy.features)} features"
    return f"Your setting comes from {plain(policy.origin)}: {features}, {policy.cold_start_after} interactions until the model ranks."


def _more() -> dict[str, Any]:
    """What is rarely set; names are those of `Setup`."""
    baseline = st.selectbox(
        "Baseline", BASELINES, format_func=lambda name: ARMS[name].label, key="baseline", bind="query-params"
    )
    given = {
        "taste_strength": number_box(
            "Taste strength",
            "taste",
            (0.0, 10.0),
            step=0.5,
            placeholder=_POPULATIONS,
            help="Logits per standard deviation of a user's taste; 0 = nobody has one.",
        ),
        "hidden_share": number_box(
            "Hidden share of taste",
            "hidden",
            (0.0, 1.0),
            step=0.1,
            placeholder=_POPULATIONS,
            help="Share of the variance of taste that no feature of the catalog shows.",
        ),
        "new_user_share": number_box("Share of new users", "new", (0.0, 1.0), step=0.1, placeholder=_POPULATIONS),
    }
    clicks = st.selectbox(
        "Click model", list(_CLICK_MODELS), format_func=_CLICK_MODELS.__getitem__, key="clicks", bind="query-params"
    )
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if clicks != "pbm":
        changes["click_model"] = clicks
    shift = number_box(
        "Tastes change after",
        "shift",
        (1, 10_000_000),
        step=500,
        placeholder="never",
        help="Searches after which all tastes become new ones.",
    )
    replicates = number_box(
        "Replicates, at most",
        "replicates",
        (2, 200),
        12,
        help="Each has other users, arrivals and luck; they say how sure a difference is.",
    )
    worlds = number_box(
        "Worlds drawn",
        "worlds",
        (1, 50),
        1,
        help="Above 1, worlds are drawn from a published distribution; intervals are then the wider ones, mostly those over "
        "worlds, and the answer is looked for after every world.",
    )
    return {
        "baseline": baseline,
        "changes": changes,
        "shift": shift,
        "replicates": replicates,
        "worlds": worlds,
        "logged": number_box("Searches logged before", "logged", (0, 100_000), 500, step=500),
        "batch": number_box("Searches between updates", "batch", (1, 10_000), 25, step=25),
        "seed": number_box("Seed", "seed-of-run", (0, 2**32 - 1), 0),
        "traffic": number_box(
            "Your searches a day",
            "traffic",
            (1.0, 1e9),
            1000.0,
            step=1000.0,
            format="%.0f",
            help="To tell the break-even of exploration in days.",
        ),
    }
