"""A run as one HTML page for a meeting or a mail: everything is in the file, and nothing is fetched.

Whatever comes from users (a question, names of segments and features) is text on it, wherever it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from lrerank.charts.run_view import Panel, RunView, run_view
from lrerank.charts.tables import TABLE_STYLE, table_html
from lrerank.experiments.results import Run
from lrerank.experiments.spec_text import SpecError

_LIBRARY = ("assets", "chart", "plotly-cartesian.min.js")
_LONG = 200  # lines of a spec
# Nothing may be fetched, whatever is in the file.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#1b2733;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:980px;margin:0 auto;padding:2.4rem 1.6rem 3rem}
header{border-bottom:3px solid #3b82c4;padding-bottom:1.1rem;margin-bottom:1.4rem}
.brand{font-weight:700;color:#1f6fb2;letter-spacing:.02em;margin:0 0 .5rem}
h1{font-size:1.65rem;line-height:1.25;margin:0 0 .6rem;text-wrap:balance}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid #d9e0e8}
h3{font-size:1rem;margin:0;flex:1 1 20rem}
.meta{margin:0;color:#51606f;font-size:.9rem}
.lead{font-size:1.12rem;line-height:1.5;margin:0 0 1rem;white-space:pre-line}
.lr-badge{display:inline-block;font-size:.76rem;font-weight:600;padding:.12rem .6rem;border-radius:1rem;background:#e8edf3;
color:#1b2733;white-space:nowrap}
.how{background:#f3f6fa;border-radius:.5rem;padding:.7rem 1rem;font-size:.92rem;margin:0}
figure{margin:1.2rem 0 1.6rem;break-inside:avoid}
.top{display:flex;flex-wrap:wrap;gap:.3rem .8rem;align-items:baseline}
.chart{width:100%}
figcaption{font-size:.85rem;color:#51606f;margin-top:.5rem}
.block{margin:1.2rem 0 1.6rem}
pre{background:#f3f6fa;border-radius:.5rem;padding:.9rem 1rem;font-size:.76rem;line-height:1.45;white-space:pre-wrap;
overflow-wrap:anywhere;columns:2;column-gap:2rem}
summary{cursor:pointer;font-weight:600;font-size:1.2rem;margin:2.2rem 0 .6rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.2rem;font-size:.9rem;margin:0}
dt{color:#51606f}dd{margin:0;overflow-wrap:anywhere}
@page{size:A4;margin:14mm}
@media print{body{font-size:10pt}main{max-width:none;padding:0}h2{break-after:avoid}tr,.block{break-inside:avoid}
.lr-badge,.how,pre{print-color-adjust:exact}.lr-table{overflow:visible}.lr-table table{font-size:7.5pt}
.lr-table th,.lr-table td{padding:.2rem .3rem}pre{font-size:7.5pt}}
"""
_SCRIPT = """
const figures = JSON.parse(document.getElementById("figures").textContent);
const base = {font: {family: getComputedStyle(document.body).fontFamily, size: 13, color: "#1b2733"}};
const places = Object.keys(figures).map((key) => document.getElementById(key));
for (const place of places) {
  const {traces, layout, height} = figures[place.id];
  Plotly.newPlot(place, traces, {...base, ...layout, height, width: place.clientWidth},
    {displaylogo: false, displayModeBar: false, plotlyServerURL: "", responsive: false});
}
const fit = () => places.forEach((place) => Plotly.relayout(place, {width: place.clientWidth}));
addEventListener("resize", fit);
// On paper the column is as wide as a sheet of A4 without its margins.
addEventListener("beforeprint", () => places.forEach((place) => Plotly.relayout(place, {width: 685})));
addEventListener("afterprint", fit);
"""
_INTERVALS = (
    "How to read the intervals: the simulation was repeated with other users, arrivals and luck, all arms meeting the same "
    "ones in each repetition, called a replicate. An interval says where the figure would lie, with the confidence given, "
    "if such replicates were run without end; one of a difference that excludes zero is a clear difference. It says "
    "nothing of other worlds unless it is called world uncertainty."
)


def report(run: Run, traffic: float | None = None) -> str:
    """The page.

    Args:
        traffic: searches a day, to tell break-even in days as well.

    Raises:
        LrerankError: what is on disk can't be read.
    """
    view, manifest = run_view(run, traffic), run.manifest
    question, provenance = str(manifest["question"]), str(manifest["provenance"])
    badge = f'<span class="lr-badge">{escape(provenance)}</span>'
    top = f'<p class="brand">lrerank</p><h1>{escape(question)}</h1><p class="meta">{badge} {escape(_origin(run))}</p>'
    body = [
        f"<header>{top}</header>",
        f'<p class="lead">{escape(view.sentence)}</p>',
        f'<p class="how">{escape(f"{_INTERVALS} {view.caution}".strip())}</p>',
        *_charts(view, badge),
        *(f'<div class="block">{table_html(table, badge)}</div>' for table in view.tables),
        *(f'<p class="meta">{escape(note)}</p>' for note in view.notes),
        "<h2>How it was made</h2>",
        _facts(_made(run)),
        _spec(run),
    ]
    figures = {panel.key: {**panel.figure, "height": panel.height} for panel in view.panels}
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="generator" content="lrerank">'
        f'<title>{escape(question)} – lrerank</title><link rel="icon" href="data:,">'
        f"<style>{TABLE_STYLE}{_STYLE}</style></head><body><main>{''.join(body)}</main>"
        f'<script type="application/json" id="figures">{_json(figures)}</script>'
        f"<script>{_library()}</script><script>{_SCRIPT}</script></body></html>\n"
    )


def _charts(view: RunView, badge: str) -> list[str]:
    found, section = [], ""
    for panel in view.panels:
        if panel.section != section:
            section = panel.section
            found.append(f"<h2>{escape(section)}</h2>")
        found.append(_figure(panel, badge))
    return found


def _figure(panel: Panel, badge: str) -> str:
    note = f"<figcaption>{escape(panel.note)}</figcaption>" if panel.note else ""
    return (
        f'<figure><div class="top"><h3>{escape(panel.title)}</h3>{badge}</div><div class="chart" id="{escape(panel.key)}" '
        f'role="img" aria-label="{escape(panel.title)}" style="height:{panel.height}px"></div>{note}</figure>'
    )


def _origin(run: Run) -> str:
    manifest = run.manifest
    begun = str(manifest["started"])[:16].replace("T", " ")
    return f"{run.run_id}, {run.status}, begun {begun} UTC, {_replicates(manifest['spec'])}, seed {manifest['seed']}"


def made_with(run: Run) -> dict[str, str]:
    """Name → what is known of how the run was computed: seed, versions, sources, machine."""
    manifest = run.manifest
    git: Mapping[str, Any] = manifest["git"] or {}
    machine: Mapping[str, Any] = manifest.get("machine") or {}
    sources = "installed, not a checkout"
    if git:
        sources = f"commit {git.get('commit')}" + (", with changes that are not committed" if git.get("dirty") else "")
    return {
        "Seed": str(manifest["seed"]),
        "Begun": _moment(manifest["started"]),
        "Ended": _moment(manifest["finished"]),
        "Sources": sources,
        "Versions": ", ".join(f"{name} {number}" for name, number in manifest["versions"].items()),
        "Machine": ", ".join(f"{name} {value}" for name, value in machine.items() if value is not None) or "unknown",
    }


def _made(run: Run) -> list[tuple[str, str]]:
    manifest = run.manifest
    problem = [("Problem", str(manifest["problem"]))] if manifest["problem"] else []
    return [("Run", run.run_id), ("Figures", str(manifest["provenance"])), *made_with(run).items(), *problem]


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in rows)}</dl>"


def _spec(run: Run) -> str:
    """Folded where it is long, as that of an ablation, which has an arm for each group of features."""
    try:
        text = run.experiment.to_toml()
    except SpecError as error:
        text = str(error)
    is_open = " open" if text.count("\n") <= _LONG else ""
    return f"<details{is_open}><summary>Spec, as TOML</summary><pre>{escape(text)}</pre></details>"


def _replicates(spec: Mapping[str, Any]) -> str:
    worlds = int(spec["world"]["worlds"])
    return f"{spec['replicates']} replicates" + (f" of each of {worlds} worlds" if worlds > 1 else "")


def _moment(text: Any) -> str:
    return f"{str(text)[:19].replace('T', ' ')} UTC" if text else "not yet"


def _json(found: Any) -> str:
    """JSON that can't end the script that it stands in."""
    text = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _library() -> str:
    place = files("lrerank").joinpath("ui", *_LIBRARY)
    return place.read_text("utf-8").replace("</script", "<\\/script")
