"""The narrow column of the page Tune: few knobs in front, the rest behind "More"."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lrerank.experiments.findings import SETTINGS
from lrerank.store import Store
from lrerank.ui.catalogs.choosing import catalog_box
from lrerank.ui.frame import chosen, number_box
from lrerank.ui.playground.asked import STRATEGIES, percent, share_of_pages, strategy_label
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.setup import populations
from lrerank.ui.tune.feature_sets import ALL, LABELS, MINE, NO_CONTEXT, NO_RATES, TOPIC
from lrerank.ui.tune.setup import BASELINES, USUAL_REPLICATES, USUAL_SEARCHES, TuneSetup, read_rates
from lrerank.ui.words import plain

_HORIZONS = (500, 1000, 1500, 2000, 4000, 8000, 16_000, 40_000)
_RATES = ("0", "0.01", "0.02", "0.05", "0.1", "0.2", "0.3")
_USUAL_RATES = ["0", "0.02", "0.05", "0.1"]
_TRIED = [name for name in STRATEGIES if name not in ("greedy", "uniform")]
_BASELINES = {"static": "Static rerank", "popularity": "Popularity"}
_DRIFT, _LAUNCHES = "Tastes drift", "New items arrive"


def controls(question: str, store: Store) -> tuple[TuneSetup, bool]:
    """Draws the knobs.

    Returns:
        What is set, and whether it can be run; what is wrong is said at the control.
    """
    policy = chosen()
    given: dict[str, Any] = {"question": question, "policy": policy, "catalog": catalog_box(store)}
    given["population"] = _population()
    given["searches"] = st.select_slider(
        "Searches (your horizon)",
        _HORIZONS,
        value=USUAL_SEARCHES[question],
        format_func=lambda count: f"{count:,}",
        key=f"horizon-{question}",
        bind="query-params",
        help="Of each setting in each replicate. The second half is measured: a short horizon punishes exploring.",
    )
    wrong: dict[str, Any] = {}
    if question == SETTINGS:
        given |= _varied(policy, wrong)
    else:
        st.caption(_explained(policy))
    given["replicates"] = number_box(
        "Replicates",
        f"replicates-{question}",
        (1, 200),
        USUAL_REPLICATES[question],
        help="Each has other users, arrivals and luck, the same for all settings; they say how sure a figure is.",
    )
    wrong["replicates"] = st.container()
    with st.expander("More"):
        given |= _more(question)
    setup = TuneSetup(**given)
    problems = setup.problems()
    unread = given.get("rates") == () and st.session_state.get("rates")
    for name, sentence in problems.items():
        if not (unread and name == "rates"):
            wrong[name].warning(plain(sentence))
    return setup, not problems


def _population() -> str:
    """Who searches; Simulate has the same control, which the address keeps under the same name."""
    who = populations()
    found: str = st.selectbox(
        "Population", list(who), format_func=lambda name: who[name].label, key="population", bind="query-params"
    )
    st.caption(who[found].told)
    return found


def _varied(policy: Policy, wrong: dict[str, Any]) -> dict[str, Any]:
    """What is tried; a place for a sentence under each control goes into `wrong`."""
    texts = st.multiselect(
        "Exploration rates to try",
        _RATES,
        default=_USUAL_RATES,
        accept_new_options=True,
        wrap=True,
        key="rates",
        bind="query-params",
        help="Share of slots that explore, from 0 to 1; type any other, such as 0.03 or 3 %. Ten slots make more of a page: "
        f"at 0.1, {percent(share_of_pages(0.1))} of pages contain an explored slot.",
    )
    rates, problem = read_rates(texts)
    wrong["rates"] = st.container()
    if problem:
        wrong["rates"].warning(problem)
    strategies = st.multiselect(
        "Strategies",
        [*_TRIED, *({"bag"} & {policy.strategy})],
        default=[_TRIED[0]],
        format_func=strategy_label,
        wrap=True,
        key="strategies",
        bind="query-params",
        help="How exploring slots choose. Two of them make a heat map over strategy and rate.",
    )
    wrong["strategies"] = st.container()
    if policy.strategy not in strategies:
        st.caption(f"Your setting's strategy, {strategy_label(policy.strategy)}, is not among these.")
    mine = "All features" if policy.features is None else f"My {len(policy.features)} features"
    sets = [MINE, *([] if policy.features is None else [ALL]), NO_RATES, NO_CONTEXT, TOPIC]
    chosen_sets = st.multiselect(
        "Feature sets",
        sets,
        default=[MINE],
        format_func=lambda name: mine if name == MINE else LABELS[name],
        wrap=True,
        key="sets",
        bind="query-params",
        help="What the model may look at. Two of them make a heat map over features and rate.",
    )
    wrong["feature_sets"] = st.container()
    return {"rates": rates, "strategies": tuple(strategies), "feature_sets": tuple(chosen_sets)}


def _more(question: str) -> dict[str, Any]:
    """What is rarely set; names are those of `TuneSetup`."""
    found: dict[str, Any] = {}
    if question == SETTINGS:
        where = st.pills(
            "Also where",
            [_DRIFT, _LAUNCHES],
            selection_mode="multi",
            key="also",
            bind="query-params",
            help="Asks the same once more where all tastes turn by 60 degrees over the run, and where 30 % of the "
            "documents appear only during it. Each doubles the work and makes a panel of its own.",
        )
        found |= {"drift": _DRIFT in where, "launches": _LAUNCHES in where}
        found["no_user"] = st.toggle(
            "Also without the user side",
            key="pooled",
            bind="query-params",
            help="What everybody's clicks teach, without who clicked. Doubles the settings.",
        )
        found["baseline"] = st.selectbox(
            "Against", list(BASELINES), format_func=_BASELINES.__getitem__, key="against", bind="query-params"
        )
    found["logged"] = number_box(
        "Searches logged before",
        "log-before",
        (0, 100_000),
        500,
        step=500,
        help="Static lists, whose clicks all learners begin with.",
    )
    found["batch"] = number_box("Searches between updates", "update-every", (1, 10_000), 25, step=25)
    found["seed"] = number_box("Seed", "sweep-seed", (0, 2**31 - 1), 0)
    return found


def _explained(policy: Policy) -> str:
    features = "all features" if policy.features is None else f"{len(policy.features)} features"
    return f"Of your setting, from {plain(policy.origin)}: {strategy_label(policy.strategy)}, exploration rate {policy.exploration_rate:g}, {features}."
