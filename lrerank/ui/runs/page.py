"""The page Runs: what ran before, to read, compare, export and delete. The address says what is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from itertools import groupby
from pathlib import Path

import streamlit as st

from lrerank.charts.run_view import Panel
from lrerank.charts.tables import TABLE_STYLE, Table, table_html
from lrerank.errors import LrerankError
from lrerank.experiments.results import Run, Runs
from lrerank.store import Store
from lrerank.ui.chart import chart
from lrerank.ui.frame import badge, demo, download_buttons, go_on_button, heading
from lrerank.ui.runs.beside import Beside, beside
from lrerank.ui.runs.listing import Listed, frame, listed
from lrerank.ui.runs.shown import Shown, facts_html, shown, state
from lrerank.ui.welcome.finished import finished
from lrerank.ui.words import plain, told

_RUN, _TABLE, _TOLD = "run", "runs-table", "runs-told"
_VIEWS = Path(__file__).parents[1] / "views"
_SECONDS = 2.0
_HEAD, _ROW = 38, 66  # less, and a long question is not wrapped
_KIND = 88  # the width of its longest word
_LARGER = 1.2  # in a demonstration
_UNFINISHED = ("interrupted", "cancelled", "stopped", "failed")
_STYLE = f"""<style>{TABLE_STYLE}
.lr-panel{{display:flex;flex-wrap:wrap;gap:.2rem .8rem;align-items:baseline;justify-content:space-between}}
.lr-panel b{{font-weight:600}}
.lr-said{{white-space:pre-line}}
.lr-facts{{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.2rem;font-size:.9rem;margin:0!important;padding:0!important}}
.lr-facts dt{{opacity:.75}}.lr-facts dd{{margin:0;overflow-wrap:anywhere}}
</style>"""


def draw() -> None:
    """Draws the page."""
    runs = Runs(Store().runs)
    rows = listed(runs)
    chosen, problem = _chosen(runs)
    by_id = {row.run_id: row for row in rows}
    heading("Runs", "; ".join(dict.fromkeys(by_id[run.run_id].provenance for run in chosen if run.run_id in by_id)))
    st.html(_STYLE)
    happened = st.session_state.pop(_TOLD, None)
    if happened:
        st.toast(happened)
    if not rows:
        _empty()
        return
    _table(rows, [run.run_id for run in chosen])
    if any(row.status == "running" for row in rows):
        st.fragment(_look_again, run_every=_SECONDS)(tuple((row.run_id, row.status, row.done) for row in rows))
    if problem:
        st.error(problem)
    if len(chosen) == 1:
        _one(chosen[0])
    elif chosen:
        _several(chosen)
    elif not problem:
        st.info(
            "Choose a run in the table to read it, or several to see them side by side.", icon=":material/check_box:"
        )


def _chosen(runs: Runs) -> tuple[list[Run], str]:
    """The runs that the address names, each once, and what is wrong with it."""
    found: dict[str, Run] = {}
    problem = ""
    for run_id in filter(None, st.query_params.get_all(_RUN)):
        try:
            run = runs.open(run_id)
            found[run.run_id] = run
        except LrerankError as error:
            if run_id in runs.ids():  # damaged, and to be deleted at least
                found[run_id] = Run(runs.folder / run_id)
            else:
                problem = told(error)
    return list(found.values()), problem


def _table(rows: Sequence[Listed], chosen: Sequence[str]) -> None:
    ids = [row.run_id for row in rows]
    # Another list is another table, so that marks never stand beside a wrong row.
    key = f"{_TABLE}-{hash(tuple(ids))}"
    head, row, kind = (round(size * (_LARGER if demo() else 1)) for size in (_HEAD, _ROW, _KIND))
    st.dataframe(
        frame(rows),
        key=key,
        hide_index=True,
        height=head + row * min(len(rows), 6),
        row_height=row,
        on_select=partial(_select, key, ids),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(run_id) for run_id in chosen if run_id in ids]}},
        column_config={
            "Question": st.column_config.TextColumn(width=478 - kind),
            "Kind": st.column_config.TextColumn(width=kind),
            "Status": st.column_config.TextColumn(width=92),
            "Begun (UTC)": st.column_config.TextColumn(width=142),
            "Done": st.column_config.NumberColumn(width=50, help="Finished tasks: replicates with some or all arms."),
            "Figures": st.column_config.TextColumn(width=115, help="Whose world it is."),
            "Seed": st.column_config.NumberColumn(width=60, format="%d"),
            "Run": st.column_config.TextColumn(width=230),
        },
    )


def _select(key: str, ids: Sequence[str]) -> None:
    st.query_params[_RUN] = [ids[place] for place in st.session_state[key]["selection"]["rows"]]


def _look_again(before: tuple[tuple[str, str, int], ...]) -> None:
    """Draws the page anew as soon as a run has finished a task or ended."""
    rows = listed(Runs(Store().runs))
    if tuple((row.run_id, row.status, row.done) for row in rows) != before:
        st.rerun()


def _empty() -> None:
    st.info(
        "No runs yet. What you simulate or sweep is kept on this machine and listed here.", icon=":material/history:"
    )
    st.page_link(_VIEWS / "simulate.py", label="Simulate a first comparison", icon=":material/play_arrow:")
    run = finished()
    example = _shown(str(run.folder), run.count(), run.status)
    st.markdown("## An example: the comparison that comes with lrerank")
    st.html(f'<p class="lr-lead">{escape(example.view.sentence)}</p>')
    link, query = "Open it on Simulate: curves, exploration, segments, cold start", {_RUN: run.run_id}
    st.page_link(_VIEWS / "simulate.py", label=link, icon=":material/arrow_forward:", query_params=query)
    first = example.view.panels[0].section
    _panels([panel for panel in example.view.panels if panel.section == first], example.provenance, run.run_id)


def _one(run: Run) -> None:
    try:
        found = _shown(str(run.folder), run.count(), run.status)
    except LrerankError as error:
        st.error(told(error))
        _delete(run)
        return
    st.markdown(f"## {plain(found.question)}")
    stands = state(run)
    if found.status == "failed":
        st.error(plain(stands))
    elif stands:
        st.info(plain(stands), icon=":material/pending:" if found.status == "running" else ":material/pause_circle:")
    if found.view.sentence:
        st.html(f'<p class="lr-lead lr-said">{escape(found.view.sentence)}</p>')
    if found.view.caution:
        st.caption(found.view.caution)
    if found.problem:
        st.error(plain(found.problem))
    _actions(found)
    _panels(found.view.panels, found.provenance, run.run_id)
    for table in found.view.tables:
        _table_of(table, found.provenance)
    for note in found.view.notes:
        st.caption(plain(note))
    facts, spec = st.columns(2, gap="large")
    with facts:
        st.markdown("### How it was made")
        st.html(facts_html({"Run": run.run_id, "Figures": found.provenance, **found.made}))
    with spec, st.expander("Spec, as TOML"):
        st.code(found.spec or "This version of lrerank can't read it.", language="toml")


@st.cache_resource(max_entries=8, show_spinner="Reading the figures")
def _shown(folder: str, tasks: int, status: str) -> Shown:  # noqa: ARG001  (they say when it is another)
    return shown(Run(Path(folder)))


def _actions(found: Shown) -> None:
    run = found.run
    with st.container(horizontal=True, vertical_alignment="center"):
        page, name = ("tune", "Tune") if found.kind == "sweep" else ("simulate", "Simulate")
        if st.button(f"Open in {name}", icon=":material/open_in_new:", key="open"):
            st.session_state[f"{page}-run"] = run.run_id
            st.switch_page(_VIEWS / f"{page}.py", query_params={_RUN: run.run_id})
        if found.status in _UNFINISHED:
            go_on_button(run.run_id, _TOLD)
        with st.popover("Download", icon=":material/download:"):
            st.caption(f"Figures: {found.provenance}.")
            download_buttons(found.downloads, run.run_id)
        _delete(run)


def _delete(run: Run) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(f"Delete `{run.run_id}` with its figures for good?")
        st.button("Delete for good", type="primary", key=f"delete-{run.run_id}", on_click=_deleted, args=(run,))


def _deleted(run: Run) -> None:
    try:
        Runs(run.folder.parent).delete(run.run_id)
    except LrerankError as error:
        st.session_state[_TOLD] = told(error)
        return
    st.session_state[_TOLD] = f"Deleted {run.run_id}."
    st.query_params[_RUN] = [run_id for run_id in st.query_params.get_all(_RUN) if run_id != run.run_id]


def _several(chosen: Sequence[Run]) -> None:
    st.markdown(f"## {len(chosen)} runs side by side")
    try:
        found = _beside(tuple(str(run.folder) for run in chosen), tuple(run.count() for run in chosen))
    except LrerankError as error:
        st.warning(told(error), icon=":material/compare_arrows:")
        return
    if found.notes:
        st.warning("\n\n".join(map(plain, found.notes)))
    left, _ = st.columns([1, 2])
    baseline = left.selectbox(
        "Against",
        found.arms,
        index=found.arms.index(found.baseline),
        key=f"against-{hash(found.arms)}",
        help="The arm that all others are compared with, over the replicates that all runs have finished: the same users "
        "with the same luck.",
    )
    _panels(found.panels(baseline), found.provenance, "beside", headings=False)
    _table_of(found.table(baseline), found.provenance)


@st.cache_resource(max_entries=4, show_spinner="Reading the figures")
def _beside(folders: tuple[str, ...], tasks: tuple[int, ...]) -> Beside:  # noqa: ARG001  (they say when it is another)
    return beside([Run(Path(folder)) for folder in folders])


def _panels(panels: Sequence[Panel], provenance: str, run_id: str, *, headings: bool = True) -> None:
    """Two beside each other, section by section; one alone has the whole width."""
    for section, group in groupby(panels, lambda panel: panel.section):
        own = list(group)
        if headings:
            st.markdown(f"### {plain(section)}")
        for start in range(0, len(own), 2):
            pair = own[start : start + 2]
            height = max(panel.height for panel in pair)
            for column, panel in zip(st.columns(len(pair), gap="large"), pair, strict=True):
                with column:
                    st.html(f'<div class="lr-panel"><b>{escape(panel.title)}</b>{badge(provenance)}</div>')
                    key = f"{run_id}-{panel.key}".replace(".", "-")
                    chart(panel.figure, key=key, label=panel.title, height=height, toolbar=True)
                    if panel.note:
                        st.caption(plain(panel.note))


def _table_of(table: Table, provenance: str) -> None:
    st.html(table_html(table, badge(provenance)))
