"""Workers die, freeze and leave in mid-answer, as a collector sees it: one story, whole, and told once."""

import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing, TracingSettings, of_attempt, spans, trace_id
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.told_spans import Told
from tests.support.waiting import eventually
from tests.support.workers import Talk, WorkerProcess

pytestmark = pytest.mark.slow
SLOWLY = {"CONTINUO_TOKEN_MS": "20"}


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as opened:
        yield opened


@contextlib.asynccontextmanager
async def said(
    talk: Talk, receiver: OtlpReceiver, text: str, *, ratio: float
) -> AsyncIterator[tuple[TurnId, str]]:
    """A message as a connection accepts it; its turn, and the traceparent that the turn carries."""
    settings = TracingSettings(
        traces="otlp",
        otlp_endpoint=receiver.endpoint("grpc"),
        otlp_protocol="grpc",
        traces_ratio=ratio,
    )
    tracing = await Tracing.open(settings, service="connection", node="c1", metrics=Metrics())
    try:
        with tracing.span(spans.SEND), tracing.span(spans.ACCEPT) as accept:
            turn = await talk.say(text, trace=accept.traceparent)
        yield turn, accept.traceparent
        tracing.keep(accept.traceparent, (await talk.finished(turn)).get("keep", ""))
    finally:
        await tracing.close()


async def attempts_of(receiver: OtlpReceiver, accepted: str, count: int) -> dict[str, Told]:
    """The attempts by their spans' ids, once there are so many and the trace is whole."""
    trace = trace_id(accepted)
    await receiver.until(lambda told: len(told.named("turn.attempt", trace)) >= count)
    await receiver.until(lambda told: not told.orphans(trace))
    assert receiver.twice(trace) == []
    return {one.id: one for one in receiver.named("turn.attempt", trace)}


def span_of(accepted: str, attempt: str) -> str:
    return of_attempt(accepted, attempt)[36:52]


@pytest.mark.parametrize("ratio", [1.0, 0.0])
async def test_the_takeover_of_a_killed_worker_links_to_the_dead_attempt_and_tells_it(
    redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver, tmp_path: Path, ratio: float
) -> None:
    talk, where = await Talk.new(bus), receiver.environ(ratio=ratio)
    async with (
        WorkerProcess(redis, tmp_path, **SLOWLY, **where) as first,
        said(talk, receiver, "count to 200", ratio=ratio) as (turn, accepted),
    ):
        killed = await talk.streaming(turn)
        first.child.kill()
        async with WorkerProcess(redis, tmp_path, **where) as heir:
            end = await talk.finished(turn)
            assert (end["outcome"], end["keep"]) == ("completed", "fault"), heir.log.read_text()
            heir.signal(signal.SIGTERM)
            assert await heir.child.ended(10.0)
    attempts = await attempts_of(receiver, accepted, 2)
    dead, alive = attempts[span_of(accepted, killed)], attempts[span_of(accepted, end["attempt"])]
    assert (dead.failed, dead.error) == (True, "worker lost")
    assert (trace_id(accepted), dead.id) in alive.links
    assert alive.start_ns > dead.start_ns
    assert alive.attributes["continuo.outcome"] == "completed"
    assert (alive.attributes["continuo.attempt.number"], alive.attributes["continuo.keep"]) == (2, "fault")
    told = receiver.of(trace_id(accepted))
    assert {one.late for one in told} == {ratio == 0.0}
    [claim] = [one for one in told if one.name == "turn.claim" and one.node == alive.node]
    assert claim.attributes["continuo.takeover"] is True
    below = {one.name for one in told if one.parent == alive.id}
    assert below == {"thread.read", "graph.node", "thread.write", "message.publish", "turn.finish"}
    assert len(receiver.tree(trace_id(accepted))) == 1


async def test_a_frozen_worker_that_wakes_up_tells_no_attempt_that_was_told_for_it(
    redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    talk, where = await Talk.new(bus), receiver.environ()
    async with (
        WorkerProcess(redis, tmp_path, **SLOWLY, **where) as first,
        said(talk, receiver, "count to 150", ratio=1.0) as (turn, accepted),
    ):
        frozen = await talk.streaming(turn)
        first.child.freeze()
        async with WorkerProcess(redis, tmp_path, **where):
            end = await talk.finished(turn)
            await receiver.until(lambda told: len(told.named("turn.attempt", trace_id(accepted))) == 2)
        first.child.thaw()
        await eventually(lambda: "lease lost" in first.log.read_text(), within_s=10.0)
        first.signal(signal.SIGTERM)
        assert await first.child.ended(10.0)
    attempts = await attempts_of(receiver, accepted, 2)
    assert set(attempts) == {span_of(accepted, frozen), span_of(accepted, end["attempt"])}
    told = receiver.of(trace_id(accepted))
    assert attempts[span_of(accepted, frozen)].error == "worker lost"
    assert {"graph.node", "message.publish"} <= {
        one.name for one in told if one.parent == span_of(accepted, frozen)
    }


async def test_an_attempt_that_is_handed_over_is_told_by_its_own_worker_and_is_no_fault(
    redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    talk, where = await Talk.new(bus), receiver.environ() | {"CONTINUO_LEASE_S": "3600"}
    async with (
        WorkerProcess(redis, tmp_path, **SLOWLY, **where, CONTINUO_DRAIN_S="0.2") as first,
        said(talk, receiver, "count to 1000", ratio=1.0) as (turn, accepted),
    ):
        handed = await talk.streaming(turn)
        async with WorkerProcess(redis, tmp_path, **where):
            first.signal(signal.SIGTERM)
            end = await talk.finished(turn)
            assert "keep" not in end
            assert await first.child.ended(10.0)
            await receiver.until(lambda told: len(told.named("turn.attempt", trace_id(accepted))) == 2)
    attempts = await attempts_of(receiver, accepted, 2)
    left, alive = attempts[span_of(accepted, handed)], attempts[span_of(accepted, end["attempt"])]
    assert (left.failed, left.attributes["continuo.outcome"]) == (False, "leave")
    assert left.node != alive.node
    assert (trace_id(accepted), left.id) in alive.links
