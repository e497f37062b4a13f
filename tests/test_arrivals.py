from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simulators.arrivals import DAY, DEVICES, LOCATIONS, START, WEEK, ArrivalProcess, Arrivals
from simulators.parameters import WorldParameters


def process(queries: int = 30, key: int = 1, impressions: int = 20_000, **changes: object) -> ArrivalProcess:
    weights = np.arange(1.0, queries + 1) ** -0.7
    return ArrivalProcess(WorldParameters().with_parameters(**changes), weights, key=key, impressions=impressions)


def assert_shares(counts: NDArray[np.int64], exact: NDArray[np.float64], errors: float = 5.0) -> None:
    """Within so many standard errors of independent draws; five: 6e-7 for each share that is checked."""
    n = counts.sum()
    assert (np.abs(counts / n - exact) <= errors * np.sqrt(exact * (1 - exact) / n) + 1e-12).all()


def same(one: Arrivals, other: Arrivals) -> bool:
    return all((getattr(one, name) == getattr(other, name)).all() for name in Arrivals.__slots__)


@pytest.mark.parametrize("per_day", [200.0, 1000.0, 25_000.0])
def test_any_range_of_arrivals_can_be_asked_for(per_day: float) -> None:
    arriving = process(impressions_per_day=per_day)
    together = arriving.between(0, 3000)
    rng = np.random.default_rng(1)
    for start in rng.integers(0, 2900, size=12).tolist():
        stop = start + int(rng.integers(0, 90))
        assert same(arriving.between(start, stop), together.take(slice(start, stop)))
    assert same(process(impressions_per_day=per_day).between(700, 701), together.take(slice(700, 701)))
    assert len(arriving.between(5, 5)) == 0
    # Far away as well, without what is before.
    far = arriving.between(10**9, 10**9 + 100)
    assert same(far.take(slice(40, 60)), arriving.between(10**9 + 40, 10**9 + 60))


def test_arrivals_are_ordered_and_complete() -> None:
    arrivals = process(users=50).between(0, 20_000)
    assert (arrivals.impression == np.arange(20_000)).all()
    assert (np.diff(arrivals.timestamp) > 0).all()
    assert arrivals.timestamp[0] >= START
    assert arrivals.timestamp[-1] == pytest.approx(START + 20 * DAY, abs=0.2 * DAY)
    for values, size in [(arrivals.user, 50), (arrivals.query, 30), (arrivals.device, len(DEVICES))]:
        assert values.min() == 0 and values.max() == size - 1
    assert set(arrivals.location.tolist()) == set(range(len(LOCATIONS)))
    # Another replicate has other arrivals, at moments that are close since the traffic is the same.
    other = process(users=50, key=2).between(0, 20_000)
    assert (other.user != arrivals.user).mean() > 0.5 and (other.query != arrivals.query).mean() > 0.5


def test_activity_follows_its_power_law() -> None:
    arriving = process(users=40, new_user_share=0.0, requests_per_session=1.0, activity_exponent=0.9)
    np.testing.assert_allclose(np.sort(arriving.activity)[::-1], np.arange(1, 41) ** -0.9)
    counts = np.bincount(arriving.between(0, 100_000).user, minlength=40)
    assert_shares(counts, arriving.activity / arriving.activity.sum())


def test_queries_follow_their_power_law_whoever_asks() -> None:
    arrivals = process(users=40).between(0, 100_000)
    exact = np.arange(1.0, 31) ** -0.7
    for some in (arrivals.user < 20, arrivals.user >= 20):
        assert_shares(np.bincount(arrivals.query[some], minlength=30), exact / exact.sum())


def test_new_users_arrive_all_the_time() -> None:
    arriving = process(users=1000, new_user_share=0.4, activity_exponent=0.0, requests_per_session=1.0)
    births = arriving.births
    assert (births[:600] == 0).all() and (np.diff(births) >= 0).all()
    # 400 births, one every 50 impressions.
    assert (np.diff(births[600:]) == 50).all() and 0 < births[600] <= 50 and births[-1] < 20_000
    arrivals = arriving.between(0, 20_000)
    assert (births[arrivals.user] <= arrivals.impression).all()
    # In every tenth of the run somebody comes for the first time, and the shares of those born are as stated.
    _, first = np.unique(arrivals.user, return_index=True)
    assert (np.bincount(first // 2000, minlength=10) > 10).all()
    more = arriving.between(20_000, 120_000).user
    assert_shares(np.bincount(more, minlength=1000), np.full(1000, 1e-3), errors=6)
    # Everybody new: the first user is there from the start, so that somebody comes.
    alone = process(users=10, new_user_share=1.0).between(0, 100)
    assert (alone.user == 0).all()


def test_daily_and_weekly_rhythm() -> None:
    """Hours of the week against the integral of the rate. Arrivals are evener than independent draws."""
    arriving = process(impressions_per_day=20_000.0, daily_swing=0.6, weekly_swing=0.3)
    moments = arriving.between(0, 280_000).timestamp  # two weeks
    hour = ((moments + 3 * DAY) % WEEK // 3600).astype(np.int64)  # from Monday, 0:00
    edges = np.arange(169) / 24
    integral = edges + 0.6 / (2 * np.pi) * np.sin(2 * np.pi * (edges - 20 / 24))
    integral += 0.3 * 7 / (2 * np.pi) * np.sin(2 * np.pi * (edges / 7 - 6.5 / 7))
    assert_shares(np.bincount(hour, minlength=168), np.diff(integral) / 7, errors=1.0)
    # Busiest around 20:00 and on Sunday, least busy around 8:00.
    of_day = np.bincount(hour % 24, minlength=24)
    assert of_day.argmax() in (19, 20) and of_day.argmin() in (7, 8)
    assert np.bincount(hour // 24).argmax() == 6


@pytest.mark.parametrize(("per_day", "lanes", "gap"), [(1000.0, 1, 86.4), (14_400.0, 10, 60.0)])
def test_sessions(per_day: float, lanes: int, gap: float) -> None:
    """With many users alike, requests of one user that are `lanes` apart are of one session."""
    changes = {"users": 200_000, "activity_exponent": 0.0, "new_user_share": 0.0, "requests_per_session": 3.0}
    arriving = process(impressions_per_day=per_day, **changes)
    assert arriving.lanes == lanes
    n = 100_000
    arrivals = arriving.between(0, n)
    same_user = arrivals.user[lanes:] == arrivals.user[:-lanes]
    # Geometric lengths: starts are independent with probability 1/3; five standard errors.
    assert (~same_user).mean() == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / n))
    waited = (arrivals.timestamp[lanes:] - arrivals.timestamp[:-lanes])[same_user]
    assert waited.mean() == pytest.approx(gap, rel=0.02)
    for values in (arrivals.device, arrivals.location):
        assert (values[lanes:] == values[:-lanes])[same_user].all()
    # The same user comes back in other sessions, from other devices at times.
    assert len(np.unique(arrivals.user)) < (~same_user).sum()


def test_users_have_a_device_and_a_home() -> None:
    arrivals = process(users=20, new_user_share=0.0, activity_exponent=0.0, requests_per_session=1.0).between(0, 60_000)
    for values, size, own in [(arrivals.device, 3, 0.7), (arrivals.location, 4, 0.9)]:
        table = np.zeros((20, size))
        np.add.at(table, (arrivals.user, values), 1)
        share = table.max(axis=1) / table.sum(axis=1)
        # Their own, or by chance: own + (1 - own) * share of it among all, 0.03 being five standard errors.
        assert (share > own - 0.03).all() and (share < 1.0).all()
        assert len(np.unique(table.argmax(axis=1))) > 1


def test_arrivals_refuse_what_can_not_be() -> None:
    with pytest.raises(ValueError, match="query"):
        process(queries=0)
    with pytest.raises(ValueError, match="query"):
        ArrivalProcess(WorldParameters(), np.zeros(3), key=0, impressions=10)
    with pytest.raises(ValueError, match="impressions"):
        process(impressions=0)
    for start, stop in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="no arrivals"):
            process().between(start, stop)
