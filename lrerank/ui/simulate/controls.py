"""The narrow column of the page Simulate: few knobs in front, the rest behind "More"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lrerank.errors import LrerankError
from lrerank.experiments.spec import Experiment
from lrerank.store import Store
from lrerank.ui.catalogs.choosing import catalog_box
from lrerank.ui.frame import choose, chosen
from lrerank.ui.playground.asked import STRATEGIES, pages_explored
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
        help="Ends as soon as the answer is clear: looks after every replicate, with an interval that allows for looking.",
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
    # Gone when another page is looked at, and then the policy's again.
    st.session_state.setdefault(_RATE, policy.exploration_rate)
    st.session_state.setdefault(_STRATEGY, policy.strategy)
    rate = st.slider("Exploration rate", 0.0, 1.0, step=0.01, key=_RATE, help=_explained(policy))
    strategy = st.selectbox("Strategy", list(STRATEGIES), format_func=STRATEGIES.__getitem__, key=_STRATEGY)
    if (rate, strategy) != (policy.exploration_rate, policy.strategy):
        policy = replace(policy, exploration_rate=rate, strategy=strategy, origin="the page Simulate")
        choose(policy)
    st.caption(f"{pages_explored(policy)}.")
    return policy


def _explained(policy: Policy) -> str:
    features = "all features" if policy.features is None else f"{len(policy.features)} features"
    return f"Your setting comes from {plain(policy.origin)}: {features}, {policy.cold_start_after} interactions until the model ranks."


def _more() -> dict[str, Any]:
    """What is rarely set; names are those of `Setup`."""
    baseline = st.selectbox(
        "Baseline", BASELINES, format_func=lambda name: ARMS[name].label, key="baseline", bind="query-params"
    )
    taste = st.number_input(
        "Taste strength",
        0.0,
        10.0,
        None,
        0.5,
        placeholder="the population's",
        key="taste",
        bind="query-params",
        help="Logits per standard deviation of a user's taste; 0 = nobody has one.",
    )
    hidden = st.number_input(
        "Hidden share of taste",
        0.0,
        1.0,
        None,
        0.1,
        placeholder="the population's",
        key="hidden",
        bind="query-params",
        help="Share of the variance of taste that no feature of the catalog shows.",
    )
    new = st.number_input(
        "Share of new users", 0.0, 1.0, None, 0.1, placeholder="the population's", key="new", bind="query-params"
    )
    clicks = st.selectbox(
        "Click model", list(_CLICK_MODELS), format_func=_CLICK_MODELS.__getitem__, key="clicks", bind="query-params"
    )
    given = {"taste_strength": taste, "hidden_share": hidden, "new_user_share": new}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if clicks != "pbm":
        changes["click_model"] = clicks
    shift = st.number_input(
        "Tastes change after",
        1,
        10_000_000,
        None,
        500,
        placeholder="never",
        key="shift",
        bind="query-params",
        help="Searches after which all tastes become new ones.",
    )
    replicates = st.number_input(
        "Replicates, at most",
        2,
        200,
        12,
        1,
        key="replicates",
        bind="query-params",
        help="Each has other users, arrivals and luck; they say how sure a difference is.",
    )
    worlds = st.number_input(
        "Worlds drawn",
        1,
        50,
        1,
        1,
        key="worlds",
        bind="query-params",
        help="Above 1, worlds are drawn from a published distribution; intervals are then the wider ones, mostly those over "
        "worlds, and the run goes to its end.",
    )
    logged = st.number_input("Searches logged before", 0, 100_000, 500, 500, key="logged", bind="query-params")
    batch = st.number_input("Searches between updates", 1, 10_000, 25, 25, key="batch", bind="query-params")
    seed = st.number_input("Seed", 0, 2**32 - 1, 0, 1, key="seed-of-run", bind="query-params")
    traffic = st.number_input(
        "Your searches a day",
        1.0,
        1e9,
        1000.0,
        1000.0,
        format="%.0f",
        key="traffic",
        bind="query-params",
        help="To tell the break-even of exploration in days.",
    )
    return {
        "baseline": baseline,
        "changes": changes,
        "shift": None if shift is None else int(shift),
        "replicates": int(replicates),
        "worlds": int(worlds),
        "logged": int(logged),
        "batch": int(batch),
        "seed": int(seed),
        "traffic": float(traffic),
    }
