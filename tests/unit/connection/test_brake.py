"""The brake: when it is full, what it adds to what it saw, and that an absent Redis changes nothing."""

import pytest
from prometheus_client import CollectorRegistry

from services.connection import brake as module
from services.connection.brake import RECOUNT_LOOKS, Brake
from services.shared.model.errors import Broken, BusUnavailable, Overloaded, QueueFull
from services.shared.runtime.metrics import Metrics


class Seen:
    """A backlog that says what it is told to, and notes what it was asked."""

    def __init__(self, turns: int | Exception = 0) -> None:
        self.turns = turns
        self.asked: list[str] = []

    async def depth(self) -> int:
        return self._say("depth")

    async def recount(self) -> int:
        return self._say("recount")

    def _say(self, asked: str) -> int:
        self.asked.append(asked)
        if isinstance(self.turns, Exception):
            raise self.turns
        return self.turns


class EnoughError(Exception):
    """The test has seen enough."""


async def look(brake: Brake, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Let it look so many times."""
    left = times

    async def sleep(_: float) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise EnoughError

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    with pytest.raises(EnoughError):
        await brake.run()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.mark.parametrize(("turns", "full"), [(0, False), (9, False), (10, True), (11, True)])
async def test_it_is_full_from_its_bound_on(
    turns: int, full: bool, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    brake = Brake(Seen(turns), 10, metrics)
    assert not brake.full
    await look(brake, monkeypatch)
    assert brake.full is full
    assert metrics.registry.get_sample_value("continuo_turns_queued") == turns


async def test_what_this_process_queued_counts_until_it_is_seen(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(7)
    brake = Brake(seen, 10, metrics)
    await look(brake, monkeypatch)
    brake.accepted(2)
    assert not brake.full
    brake.accepted(1)
    assert brake.full
    seen.turns = 9
    await look(brake, monkeypatch)
    assert not brake.full


@pytest.mark.parametrize("error", [BusUnavailable("away"), Broken("a count is no number")])
async def test_the_last_look_counts_while_redis_does_not_answer_or_makes_no_sense(
    error: Exception, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(10)
    brake = Brake(seen, 10, metrics)
    await look(brake, monkeypatch)
    seen.turns = error
    await look(brake, monkeypatch, 3)
    assert brake.full


async def test_it_counts_anew_at_its_start_and_now_and_then(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    await look(Brake(seen, 10, metrics), monkeypatch, RECOUNT_LOOKS + 1)
    assert seen.asked == ["recount", *["depth"] * (RECOUNT_LOOKS - 1), "recount"]


def test_refusals_are_counted_by_where_the_turns_wait(metrics: Metrics) -> None:
    brake = Brake(Seen(), 10, metrics)
    for error in (QueueFull(""), Overloaded(""), Overloaded("")):
        brake.refused(error)
    assert metrics.registry.get_sample_value(
        "continuo_sends_refused_total", {"where": "conversation"}
    ) == pytest.approx(1)
    assert metrics.registry.get_sample_value("continuo_sends_refused_total", {"where": "all"}) == 2
