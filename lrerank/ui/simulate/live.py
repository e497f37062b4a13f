"""How far a run is, in words and as shares."""

from __future__ import annotations

from lrerank.experiments.run import Snapshot
from lrerank.experiments.spec import Experiment
from lrerank.ui.progress import replicates


def progress(snapshot: Snapshot | None, experiment: Experiment) -> tuple[float, str]:
    """The share that is done, and a sentence."""
    if snapshot is None or not snapshot.impressions:
        return 0.0, "Building the world: documents, users and their tastes"
    share = min(snapshot.impressions / max(snapshot.total_impressions, 1), 1.0)
    left = "" if snapshot.seconds_left is None else f", {time_left(snapshot.seconds_left)}"
    shown = f"{snapshot.impressions:,} of {snapshot.total_impressions:,} searches"
    done, planned = replicates(snapshot.overall, experiment)
    return share, f"{done} of {planned} replicates, {shown}{left}"


def time_left(seconds: float) -> str:
    """`about 40 s left`, in steps that don't flicker."""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 60:
        return f"about {5 * round(seconds / 5)} s left"
    if seconds < 3600:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"


def tastes_may_change(snapshot: Snapshot | None, experiment: Experiment) -> int | None:
    """Searches after the log at which "now" is, at the next time bin; None where it is too early or too late, or where
    they change already."""
    if snapshot is None or experiment.world.parameters.get("shifts"):
        return None
    figures = snapshot.overall
    under_way = figures[figures["end"] < experiment.impressions]
    finished = set(zip(*(figures.loc[figures["end"] == experiment.impressions, name] for name in _COURSE), strict=True))
    ends = [
        int(end)
        for end, *course in zip(under_way["end"], *(under_way[name] for name in _COURSE), strict=True)
        if tuple(course) not in finished
    ]
    if not ends:
        return None
    edges = experiment.edges()
    later = [edge for edge in edges if edge > max(ends)]
    return later[0] if len(later) > 1 else None


_COURSE = ("world", "replicate", "arm")
