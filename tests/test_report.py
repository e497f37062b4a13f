"""The report of a run: one page with everything in it, where what users wrote is text and nothing is fetched."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from charting import EXPERIMENT, figures, keep
from playwright.sync_api import Browser
from typer.testing import CliRunner

from lrerank.charts.report import report
from lrerank.charts.tables import Table, differences_table, precise, table_html, values_table, variety_table
from lrerank.cli.main import app
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.findings import STUDY, comparisons, sentence_of
from lrerank.experiments.results import Run, Runs

HOSTILE = (
    "Does </script><script>window.hit=1</script><img src=https://example.org/x.png onerror=window.hit=1> \u2028 pay?"
)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


class Reader(HTMLParser):
    """What a browser would make of it: the tags with their attributes, and the words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)
        else:
            self.words += data


def figures_in(page: str) -> dict[str, dict[str, object]]:
    text = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    found: dict[str, dict[str, object]] = json.loads(
        text.group(1), parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON")
    )
    return found


def test_it_says_what_the_run_says(runs: Runs) -> None:
    run = keep(runs)
    page = report(run)
    read = Reader(page)
    assert sentence_of(run, run.figures()) in read.words
    assert read.words.count("built-in world") >= 12
    for said in (run.run_id, "seed 0", "numpy", EXPERIMENT.question, "[arms.learned]", "How to read the intervals"):
        assert said in read.words
    keys = list(figures_in(page))
    assert keys == [
        *("forest", "waterfall", "differences", "learning", "regret", "net-learned"),
        *("by-segment", "by-history", "by-position"),
    ]  # fmt: skip
    assert {attributes.get("id") for _, attributes in read.tags}.issuperset(keys)


def test_what_users_wrote_is_text(runs: Runs) -> None:
    page = report(keep(runs, range(1), experiment=EXPERIMENT.with_values({"question": HOSTILE})))
    read = Reader(page)
    assert [tag for tag, _ in read.tags].count("script") == 3 and not any(tag == "img" for tag, _ in read.tags)
    assert " ".join(HOSTILE.split()) in read.words
    assert "<hunters>" not in page
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)


def test_it_opens_without_a_request_and_without_an_error(runs: Runs, browser: Browser, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text(report(keep(runs, experiment=EXPERIMENT.with_values({"question": HOSTILE})), 500.0), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: wrong.append(request.url) if request.url != target.as_uri() else None)
    page.goto(target.as_uri())
    page.wait_for_function("document.querySelectorAll('.chart .main-svg').length >= 9")
    assert not wrong and page.evaluate("window.hit") is None
    assert page.title() == f"{' '.join(HOSTILE.split())} – lrerank"
    assert page.get_by_text("break-even").count() or page.get_by_text("net return").count()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.pdf().startswith(b"%PDF")
    assert not wrong
    page.close()


def test_a_run_without_figures_and_a_sweep_without_a_table_have_one_too(runs: Runs) -> None:
    assert "no replicate is finished" in report(keep(runs, ()))
    run = keep(runs, (), EXPERIMENT, "sweep")
    run.note(STUDY, {"kind": "cold_start"})
    assert "Nothing can be said yet" in report(run)


def test_it_is_exported_by_the_command(tmp_path: Path) -> None:
    run = keep(Runs(tmp_path / "runs"), ())
    out = tmp_path / "report.html"
    done = CliRunner(env={"LRERANK_HOME": str(tmp_path)}).invoke(app, ["runs", "export", run.run_id, str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text("utf-8") == report(Run(run.folder))


def test_tables_say_what_was_compared() -> None:
    found = differences_table(figures(), EXPERIMENT)
    compared = {each.arm: each for each in comparisons(figures(), "static", "expected_reward", EXPERIMENT.window)}
    place = found.columns.index("Expected reward, per 1,000")
    assert [row[0] for row in found.rows] == list(compared)
    for row in found.rows:
        assert row[place] == precise(compared[row[0]].per_thousand.headline, sign=True)
    assert [row[0] for row in values_table(figures(), EXPERIMENT).rows] == [*EXPERIMENT.arms, "reference"]


def test_what_is_not_of_the_measured_window_is_said() -> None:
    assert "Over all 1,000 searches after the log: Catalog coverage." in variety_table(figures(), EXPERIMENT).note
    assert "Over all" not in values_table(figures(), EXPERIMENT).note
    assert "Over all" not in variety_table(figures(), EXPERIMENT.with_values({"measure_from": 0})).note


def test_digits_are_those_that_the_interval_lets_a_value_have() -> None:
    def said(value: float, low: float | None, high: float | None) -> str:
        return precise(Estimate(value, low, high, 4, 4, "t"), sign=True)

    assert said(62.04, 53.14, 70.93) == "+62 (+53 to +71)"
    assert said(-0.01684, -0.0231, -0.0105) == "−0.017 (−0.023 to −0.011)"
    assert (said(0.0, None, None), said(float("nan"), None, None), said(3.0, None, None)) == ("0", "", "+3.0")


def test_cells_are_text() -> None:
    page = table_html(Table("<b>", ("arm", "value"), (("<i>", "+1 (0 to <u>)"),), "<s>"))
    assert not re.search(r"<(b|i|u|s)>", page) and "&lt;i&gt;" in page
