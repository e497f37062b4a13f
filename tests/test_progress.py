"""Progress in replicates, however many tasks a replicate is parted into."""

from __future__ import annotations

import pytest
import small_site

from lrerank.experiments.run import Snapshot, run
from lrerank.experiments.spec import Experiment
from lrerank.store import Store
from lrerank.ui.progress import replicates


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, list[Snapshot]]:
    """Two replicates of fourteen arms, of which a process holds twelve."""
    catalog = small_site.shop(tmp_path_factory.mktemp("shop"))
    arms = {f"mmr-{place}": {"kind": "mmr", "lambda": place / 12} for place in range(12)}
    given = {"question": "?", "world": {"catalog": str(catalog)}, "impressions": 40, "bins": 2, "batch": 10}
    given |= {"replicates": 2, "log": {"impressions": 0}, "baseline": "static"}
    experiment = Experiment.parse({**given, "arms": {"static": {"kind": "rerank"}, **arms}})
    return experiment, list(run(experiment, store=Store(tmp_path_factory.mktemp("home")), workers=0))


def test_a_replicate_of_many_arms_is_counted_once(parted: tuple[Experiment, list[Snapshot]]) -> None:
    experiment, snapshots = parted
    assert snapshots[-1].tasks == snapshots[-1].done_tasks == 4, "in two tasks each"
    assert replicates(snapshots[0].overall, experiment) == (0, 2)
    assert replicates(snapshots[-1].overall, experiment) == (2, 2)


def test_a_replicate_counts_when_all_arms_have_finished_it(parted: tuple[Experiment, list[Snapshot]]) -> None:
    experiment, snapshots = parted
    figures = snapshots[-1].overall
    behind = (figures["arm"] == "mmr-3") & (figures["replicate"] == 1) & (figures["end"] == experiment.impressions)
    assert replicates(figures[~behind], experiment) == (1, 2)
