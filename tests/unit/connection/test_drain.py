"""The shell of a drain over a crowd and a budget that do as they are told; time is fake."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from services.connection import drain as module
from services.connection.core.drain import State, Terms
from services.connection.core.pacing import Rates
from services.connection.drain import Drain, Manner
from services.shared.model.errors import BusUnavailable
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from tests.support.waiting import eventually

UNBOUND = Rates(0, 0)


class Crowd:
    """Connections of which some have a command under way for good."""

    def __init__(self, idle: int, busy: int = 0) -> None:
        self.idle = idle
        self.busy = busy
        self.parting = 0
        self.was_cut = 0
        self.faulty = False
        """Whether telling somebody to go fails, as nothing should."""

    def __len__(self) -> int:
        return self.idle + self.busy + self.parting

    @property
    def staying(self) -> int:
        return self.idle + self.busy

    def part(self, most: int) -> int:
        if self.faulty:
            raise ZeroDivisionError
        idle = min(most, self.idle)
        busy = min(most - idle, self.busy)
        self.idle -= idle
        self.busy -= busy
        self.parting += busy
        return idle + busy

    def cut(self) -> int:
        self.was_cut, self.idle, self.busy, self.parting = len(self), 0, 0, 0
        return self.was_cut


class Budget:
    """Grants what it holds; hangs or fails when told to."""

    def __init__(self, tokens: int = 0) -> None:
        self.tokens = tokens
        self.asked: list[tuple[str, float, int, int]] = []
        self.fails = False
        self.hangs = False
        self.waited_for = False
        self.meanwhile: Callable[[], None] | None = None
        """Done once, while the answer is awaited."""

    async def take(self, fleet: str, rate: float, *, wanted: int, must: int) -> int:
        self.asked.append((fleet, rate, wanted, must))
        if self.hangs:
            self.waited_for = True
            try:
                await asyncio.Event().wait()
            finally:
                self.waited_for = False
        if self.meanwhile is not None:
            await asyncio.sleep(0)
            done, self.meanwhile = self.meanwhile, None
            done()
        if self.fails:
            raise BusUnavailable("away")
        granted = max(must, min(wanted, self.tokens))
        self.tokens = max(0, self.tokens - granted)
        return granted


class Scene:
    """One drain and its surroundings."""

    def __init__(self, crowd: Crowd, budget: Budget, rates: Rates, terms: Terms) -> None:
        self.crowd, self.budget, self.clock, self.metrics = crowd, budget, FakeClock(), Metrics()
        self.drain = Drain(Manner(terms, rates, "blue"), crowd, budget, self.clock, self.metrics)

    async def until(self, condition: Callable[[], bool], step_s: float = 0.05) -> None:
        """Let time pass until something is so, a step for each look; none while Redis is waited for."""

        def moved() -> bool:
            if not self.budget.waited_for:
                self.clock.advance(step_s)
                self.drain._news.set()
            return condition()

        await eventually(moved, every_s=0.0)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"continuo_{name}", labels) or 0.0


@asynccontextmanager
async def scene(
    crowd: Crowd,
    budget: Budget | None = None,
    *,
    rates: Rates = UNBOUND,
    propagation_s: float = 0.0,
    drain_s: float = 10.0,
) -> AsyncIterator[Scene]:
    made = Scene(crowd, budget or Budget(), rates, Terms(propagation_s, drain_s))
    running = asyncio.create_task(made.drain.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled(), running.exception()


async def test_who_is_told_to_end_serves_late_handshakes_and_then_sends_everybody_away() -> None:
    async with scene(Crowd(30), propagation_s=5.0) as at:
        at.drain.told()
        assert (at.drain.standing.state, at.drain.refuses()) == (State.LAME_DUCK, None)
        assert at.drain.left_s() == 15.0
        at.clock.advance(4.9)
        at.drain._news.set()
        await asyncio.sleep(0)
        assert len(at.crowd) == 30
        await at.until(lambda: not len(at.crowd))
        refused = at.drain.refuses()
        assert refused is not None
        assert refused.why == "ending"
        await asyncio.wait_for(at.drain.to_the_end(crashed=False), 10)
        assert (at.crowd.was_cut, at.drain.closed) == (0, 30)
        assert at.drain.finding().ok, "an end leaves readiness alone"


async def test_a_cordon_empties_a_process_that_goes_on_living_and_can_be_taken_back() -> None:
    async with scene(Crowd(5)) as at:
        at.drain.order("plan-1", 60.0)
        refused = at.drain.refuses()
        assert refused is not None
        assert refused.why == "cordoned"
        await at.until(lambda: at.drain.standing.state is State.EMPTIED)
        assert not at.drain.finding().ok
        assert at.metric("drain_state", state="emptied") == 1
        at.drain.withdraw("plan-1")
        assert at.drain.refuses() is None
        assert at.drain.finding().ok
        at.crowd.idle = 3
        at.drain.order("plan-2", 60.0)
        await at.until(lambda: at.drain.standing.state is State.EMPTIED)
        assert at.drain.closed == 3, "of this drain alone"


async def test_a_word_taken_back_stops_the_closing() -> None:
    async with scene(Crowd(1000), rates=Rates(10, 0), drain_s=60.0) as at:
        at.drain.order("p", 500.0)
        await at.until(lambda: at.drain.closed > 5)
        at.drain.withdraw("p")
        left = len(at.crowd)
        at.clock.advance(100.0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(at.crowd) == left > 900


async def test_the_fleets_budget_paces_and_is_asked_by_name_and_rate() -> None:
    async with scene(Crowd(100), Budget(40), rates=Rates(0, 200), drain_s=1000.0) as at:
        at.drain.told()
        await at.until(lambda: at.drain.closed >= 40)
        assert at.budget.asked[0][:2] == ("blue", 200)
        assert at.metric("drain_closes_total", pace="budget") == 40
        assert at.metric("drain_waits_total") >= 1


async def test_every_look_that_sends_somebody_away_is_told_with_what_it_rests_on() -> None:
    with capture_logs() as logs:
        async with scene(Crowd(100, busy=2), Budget(40), rates=Rates(0, 200), drain_s=30.0) as at:
            at.budget.meanwhile = lambda: at.clock.advance(0.02)
            at.drain.told()
            began_ms = at.clock.now_ms()
            await at.until(lambda: at.drain.standing.state is State.GONE)
    told = [line for line in logs if line["event"] == "sent away"]
    assert told[0]["connections"] == 40
    assert told[0]["by"] == "budget"
    assert told[0]["left"] == 62
    assert told[0]["until_ms"] - told[0]["since_ms"] >= 20, "as long as the budget took"
    assert began_ms <= told[0]["since_ms"] <= told[-1]["until_ms"] <= began_ms + 31_000
    assert [line["by"] for line in told[1:]] == ["least"] * (len(told) - 2) + ["deadline"]
    assert sum(line["connections"] for line in told) == at.drain.closed
    assert {line["log_level"] for line in told} == {"debug"}


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_without_redis_the_least_rate_goes_on_alone_and_redis_is_asked_rarely(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUDGET_WITHIN_S", 0.001)
    async with scene(Crowd(100), Budget(1000), rates=Rates(0, 500), drain_s=10.0) as at:
        setattr(at.budget, how, True)
        at.drain.told()
        await at.until(lambda: at.drain.closed >= 50)
        assert 4.0 < 10.0 - (at.drain.left_s() or 0.0) < 6.5, "half of them in half the time"
        assert len(at.budget.asked) <= 8
        setattr(at.budget, how, False)
        await at.until(lambda: at.drain.standing.state is State.GONE)
        assert at.crowd.was_cut == 0
        assert at.metric("drain_alone_total") >= 3
        assert at.metric("drain_closes_total", pace="alone") >= 45


@pytest.mark.parametrize("crashed", [False, True])
async def test_a_word_that_is_replaced_while_redis_is_asked_ends_no_drain(crashed: bool) -> None:
    """What was granted to the drain before is not this one's."""
    async with scene(Crowd(100), Budget(1000), rates=Rates(100, 500), drain_s=10.0) as at:

        def replaced() -> None:
            at.drain.withdraw("a")
            at.drain.told(crashed=crashed)

        at.budget.meanwhile = replaced
        at.drain.order("a", 10.0)
        await at.until(lambda: at.budget.meanwhile is None)
        assert at.drain.closed == 0
        await at.until(lambda: at.drain.standing.state is State.GONE)
        assert (at.drain.closed, at.crowd.was_cut) == (100, 0)


async def test_a_plan_that_follows_another_while_redis_is_asked_is_carried_out() -> None:
    async with scene(Crowd(100), Budget(1000), rates=Rates(100, 500)) as at:

        def replaced() -> None:
            at.drain.withdraw("a")
            at.drain.order("b", 10.0)

        at.budget.meanwhile = replaced
        at.drain.order("a", 10.0)
        await at.until(lambda: at.drain.standing.state is State.EMPTIED)
        assert (at.drain.standing.plan, at.drain.closed, at.crowd.was_cut) == ("b", 100, 0)


@pytest.mark.parametrize("told_before", [False, True])
async def test_where_the_task_has_ended_nobody_waits_for_it_and_whoever_is_left_is_cut(
    told_before: bool,
) -> None:
    at = Scene(Crowd(10), Budget(), UNBOUND, Terms(0.0, 10.0))
    running = asyncio.create_task(at.drain.run())
    at.crowd.faulty = True
    if told_before:
        ending = asyncio.create_task(at.drain.to_the_end(crashed=False))
    else:
        at.drain.order("a", 10.0)
    await at.until(running.done)
    assert isinstance(running.exception(), ZeroDivisionError)
    if not told_before:
        ending = asyncio.create_task(at.drain.to_the_end(crashed=True))
    await asyncio.wait_for(ending, 10)
    assert (len(at.crowd), at.drain.closed, at.metric("drain_forced_total")) == (0, 10, 10)


async def test_a_lame_duck_whose_task_has_ended_lets_nobody_in_once_all_are_cut() -> None:
    """A newcomer would be cut without a word by the server's own end."""
    at = Scene(Crowd(10), Budget(), UNBOUND, Terms(5.0, 10.0))
    running = asyncio.create_task(at.drain.run())
    ending = asyncio.create_task(at.drain.to_the_end(crashed=False))
    await eventually(lambda: at.drain.standing.state is State.LAME_DUCK)
    assert at.drain.refuses() is None
    running.cancel()
    await asyncio.wait_for(ending, 10)
    assert len(at.crowd) == 0
    assert at.drain.refuses() is not None


async def test_who_never_gets_its_answer_is_cut_at_the_deadline_and_counted() -> None:
    async with scene(Crowd(10, busy=2)) as at:
        at.drain.told()
        await at.until(lambda: at.drain.standing.state is State.GONE)
        assert at.crowd.was_cut == 2
        assert at.metric("drain_forced_total") == 2


async def test_told_again_half_the_time_must_do() -> None:
    async with scene(Crowd(1000), rates=Rates(1, 0), drain_s=100.0) as at:
        at.drain.told()
        at.drain.hurry()
        assert at.drain.left_s() == 50.0
        await at.until(lambda: at.drain.standing.state is State.GONE)
        assert at.crowd.was_cut == 0


async def test_a_second_word_that_overtakes_the_first_is_as_good_an_end() -> None:
    async with scene(Crowd(1000), rates=Rates(1, 0), propagation_s=5.0, drain_s=100.0) as at:
        at.drain.hurry()
        assert at.drain.left_s() == 50.0
        ending = asyncio.create_task(at.drain.to_the_end(crashed=False))
        await at.until(lambda: at.drain.standing.state is State.GONE)
        await asyncio.wait_for(ending, 10)
        assert (at.crowd.was_cut, at.drain.closed) == (0, 1000)
