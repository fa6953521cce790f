"""Attempts under a lease: whose span is told, when, by whom, and what is counted. Spans go into a file."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from services.conversation import precedence
from services.conversation.core.effects import Finish, Leave, TryAgain
from services.conversation.counting import count_end
from services.conversation.trail import Trail
from services.conversation.trail_parts import Instruments
from services.conversation.trails import LOST, Claim, Trails
from services.shared.model.conversation import KeptMessage
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AgentName, AttemptId, ConversationId, MessageId, TurnId, UserId
from services.shared.model.turn import Turn, TurnState
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing, TracingSettings, of_attempt
from tests.support.told_spans import Spans, Told
from tests.support.waiting import eventually

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-1] + "0"
TRACE = SAMPLED[3:35]
MESSAGE = KeptMessage(MessageId("m1"), UserId("ann"), None, "hello", 1, 0, None)
TURN = Turn(
    id=TurnId("t1"),
    conversation=ConversationId("c1"),
    agent=AgentName("assistant"),
    messages=(MESSAGE,),
    state=TurnState.RUNNING,
    attempt=AttemptId("a1"),
    attempts=1,
    completed={},
    trace=SAMPLED,
    queued_ms=1_000,
)
SECOND = replace(TURN, attempt=AttemptId("a2"), attempts=2, before=AttemptId("a1"), before_started_ms=3_000)
AGAIN = TryAgain(0.5, "busy: status 429")


class Worker:
    """A process that traces, at 10 s on its clock; what it tells stands in a file."""

    def __init__(self, tracing: Tracing, metrics: Metrics, clock: FakeClock, path: Path) -> None:
        self.metrics = metrics
        self.clock = clock
        self.moves = 0
        self._path = path
        self._tracing = tracing
        self.instruments = Instruments(tracing, metrics, clock, 30.0, lambda: self.moves)

    def claim(self, *, takeover: bool = False) -> Trails:
        now = self.clock.now_ns()
        return Trails(self.instruments, Claim(now - 7, now, 3, takeover))

    async def told(self, trace: str = TRACE) -> list[Told]:
        """All that was told, in the order of starts; ends the tracing."""
        await self._tracing.close()
        return Spans.read(self._path).of(trace)


@contextlib.asynccontextmanager
async def working(folder: Path, **said: Any) -> AsyncIterator[Worker]:
    path = folder / "spans.jsonl"
    settings = TracingSettings(traces="file", traces_file=str(path), **said)
    clock, metrics = FakeClock(now_ms=0), Metrics(CollectorRegistry(), names=("gpt-5",))
    clock.advance(10)
    tracing = await Tracing.open(settings, service="conversation", node="n", metrics=metrics, clock=clock)
    try:
        yield Worker(tracing, metrics, clock, path)
    finally:
        await tracing.close()


def names(told: list[Told]) -> list[str]:
    return [one.name for one in told]


def span_of(attempt: str) -> str:
    return of_attempt(SAMPLED, attempt)[36:52]


async def test_a_turns_way_is_told_its_wait_once_its_claim_and_its_attempt(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            now = worker.clock.now_ns()
            trails.begun(TURN, now)
            trails.ended(Finish("completed"), "completed")
            trails.begun(replace(TURN, id=TurnId("t2"), attempt=AttemptId("b1")), now)
            trails.ended(Finish("failed", "it broke", "broken"), "failed")
        told = await worker.told()
    wait, later_wait = (one for one in told if one.name == "message.wait")
    [claim] = (one for one in told if one.name == "turn.claim")
    first, second = (one for one in told if one.name == "turn.attempt")
    assert (wait.name, wait.start_ns, wait.end_ns) == ("message.wait", 1_000_000_000, now)
    assert (claim.start_ns, claim.end_ns) == (now - 7, now)
    assert claim.attributes["messaging.destination.partition.id"] == "3"
    assert (first.id, first.parent, first.kind) == (span_of("a1"), SAMPLED[36:52], "CONSUMER")
    assert first.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert first.attributes["continuo.outcome"] == "completed"
    assert later_wait.end_ns == now
    assert (second.failed, second.error) == (True, "broken")


async def test_an_attempt_that_is_tried_again_here_is_told_here_and_linked_to(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            trails.begun(TURN, worker.clock.now_ns())
            worker.clock.advance(1)
            trails.ended(AGAIN, "tryagain")
            worker.clock.advance(5)
            trails.begun(SECOND, worker.clock.now_ns())
            trails.ended(Finish("completed"), "completed")
        told = await worker.told()
    attempts = {one.id: one for one in told if one.name == "turn.attempt"}
    assert set(attempts) == {span_of("a1"), span_of("a2")}
    first = attempts[span_of("a1")]
    assert (first.error, first.end_ns - first.start_ns) == ("busy", 1_000_000_000)
    assert attempts[span_of("a2")].links == ((TRACE, span_of("a1")),)
    assert names(told).count("message.wait") == names(told).count("turn.claim") == 1


async def test_an_attempt_whose_lease_is_lost_is_another_workers_to_tell(tmp_path: Path):
    async with working(tmp_path) as worker:
        with contextlib.suppress(LeaseLost), worker.claim() as trails:
            trails.begun(TURN, worker.clock.now_ns())
            trails.ended(Leave(), "leave")
            raise LeaseLost
        assert names(await worker.told()) == ["message.wait", "turn.claim"]


async def test_a_pause_in_which_the_worker_dies_leaves_the_attempt_to_the_next_one(tmp_path: Path):
    """Told at once, it would be told twice: by its worker, and by who finds it in the record."""
    async with working(tmp_path) as worker:
        trails = worker.claim()
        trails.begun(TURN, worker.clock.now_ns())
        trails.ended(AGAIN, "tryagain")
        assert "turn.attempt" not in names(await worker.told())


async def test_a_dead_attempt_is_told_by_the_next_worker_once_and_linked_to(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim(takeover=True) as trails:
            trails.begun(SECOND, worker.clock.now_ns())
            trails.ended(AGAIN, "tryagain")
            # a failover took the begin back: the record names the same attempt before
            trails.begun(replace(SECOND, attempt=AttemptId("a3")), worker.clock.now_ns())
            trails.ended(Finish("completed"), "completed")
        told = await worker.told()
    [dead] = [one for one in told if one.id == span_of("a1")]
    assert (dead.start_ns, dead.end_ns) == (3_000_000_000, worker.clock.now_ns())
    assert (dead.failed, dead.error, dead.parent) == (True, LOST, SAMPLED[36:52])
    [alive] = [one for one in told if one.id == span_of("a2")]
    assert alive.links == ((TRACE, span_of("a1")),)
    assert "message.wait" not in names(told)
    assert [one.attributes["continuo.takeover"] for one in told if one.name == "turn.claim"] == [True]


async def test_an_attempt_that_was_handed_over_was_told_by_its_own_worker(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            trails.begun(TURN, worker.clock.now_ns())
            trails.ended(Leave(), "leave")
        assert "turn.attempt" in names(await worker.told())
    other = tmp_path / "other"
    other.mkdir()
    async with working(other) as next_worker:
        with next_worker.claim() as trails:
            handed = replace(SECOND, handed_over=1, before_handed_over=True)
            trail = trails.begun(handed, next_worker.clock.now_ns())
            assert trail.noteworthy("completed") == ""
            trails.ended(Finish("completed"), "completed")
        attempts = [one for one in await next_worker.told() if one.name == "turn.attempt"]
    assert [(one.id, one.links) for one in attempts] == [(span_of("a2"), ((TRACE, span_of("a1")),))]


async def test_what_is_kept_is_told_late_and_says_why(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            trail = trails.begun(replace(TURN, trace=UNSAMPLED), worker.clock.now_ns())
            with trail.finishing("failed", "failed"):
                pass
            trail.keep("failed")
            trails.ended(Finish("failed", "it broke", "broken"), "failed")
        told = await worker.told()
    assert all(one.late for one in told)
    assert set(names(told)) == {"message.wait", "turn.claim", "turn.attempt", "turn.finish"}
    assert {one.attributes.get("continuo.keep") for one in told} == {None, "failed"}


async def test_what_nobody_keeps_is_not_told(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            trail = trails.begun(replace(TURN, trace=UNSAMPLED), worker.clock.now_ns())
            trail.keep(trail.noteworthy("completed"))
            trails.ended(Finish("completed"), "completed")
        assert await worker.told() == []


async def test_a_failover_a_second_try_and_slowness_are_worth_a_trace(tmp_path: Path):
    async with working(tmp_path) as worker:
        trails = worker.claim()
        quiet, second = trails.begun(TURN, 0), trails.begun(SECOND, 0)
        assert (quiet.noteworthy("completed"), second.noteworthy("completed")) == ("", "fault")
        worker.moves += 1
        assert quiet.noteworthy("completed") == "fault"
        worker.moves -= 1
        worker.clock.advance(21.1)
        assert quiet.noteworthy("completed") == "slow"
        quiet.disturbed()
        assert quiet.noteworthy("completed") == "fault"


async def test_a_message_is_told_from_its_start_to_its_completion_with_its_deltas(tmp_path: Path):
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            trail = trails.begun(TURN, worker.clock.now_ns())
            for message, outcome in (("x", "completed"), ("y", "retracted"), ("z", "")):
                trail.begins(MessageId(message))
                trail.begins(MessageId(message))
                worker.clock.advance(1)
                trail.spoke(MessageId(message), 5)
                trail.spoke(MessageId(message), 2)
                if outcome:
                    trail.said(MessageId(message), outcome)
            trails.ended(Finish("completed"), "completed")
        told = [one for one in await worker.told() if one.name == "message.publish"]
    said = [(one.attributes["messaging.message.id"], one.attributes["continuo.outcome"]) for one in told]
    assert said == [("x", "completed"), ("y", "retracted"), ("z", "left")]
    assert {(one.attributes["continuo.deltas"], one.attributes["continuo.units"]) for one in told} == {(2, 7)}
    assert {(one.parent, one.end_ns - one.start_ns) for one in told} == {(span_of("a1"), 1_000_000_000)}


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in metrics.registry.collect())


def call_everything(trail: Trail, name: str) -> None:
    for part in (trail.model(name, name, None), trail.tool(name, name, None)):
        part.set(output_tokens=5, outcome="failed")
        part.failed(f"{name}Error", "broken")
        part.over()
        part.over()
    trail.write(name, name, 5_000, 0).over()
    trail.write(name, name, 50, 3).over()


async def test_a_turn_joins_its_first_messages_trace_and_links_to_the_others(tmp_path: Path):
    further = (*(f"00-{n:032x}-{n:016x}-01" for n in (2, 3)), SAMPLED)
    several = replace(SECOND, messages=(MESSAGE,) * 4, further=further)
    async with working(tmp_path) as worker:
        with worker.claim() as trails:
            trails.begun(several, worker.clock.now_ns())
        told = await worker.told()
    after = next(one for one in told if one.id == span_of("a2"))
    assert after.links == ((TRACE, span_of("a1")), *((f"{n:032x}", f"{n:016x}") for n in (2, 3)))
    assert after.attributes["messaging.batch.message_count"] == 4


async def test_an_heir_tells_the_wait_that_died_with_an_unsampled_attempt_and_no_other(tmp_path: Path):
    """A sampled wait left the dead process by itself; told once more it would stand there twice."""
    for trace, told_again in ((UNSAMPLED, True), (SAMPLED, False)):
        folder = tmp_path / trace[-2:]
        folder.mkdir()
        async with working(folder) as worker:
            with worker.claim(takeover=True) as trails:
                trail = trails.begun(replace(SECOND, trace=trace), worker.clock.now_ns())
                trail.keep("fault")
            waits = [one for one in await worker.told() if one.name == "message.wait"]
        assert [(one.start_ns, one.end_ns) for one in waits] == [(1_000_000_000, 3_000_000_000)] * told_again


async def test_an_heir_of_a_later_attempt_tells_no_wait(tmp_path: Path):
    third = replace(SECOND, attempt=AttemptId("a3"), attempts=3, before=AttemptId("a2"), trace=UNSAMPLED)
    async with working(tmp_path) as worker:
        with worker.claim(takeover=True) as trails:
            trails.begun(third, worker.clock.now_ns()).keep("fault")
        assert "message.wait" not in names(await worker.told())


def end_with(worker: Worker, trail: Trail, agent: str) -> None:
    named = replace(trail, turn=replace(TURN, agent=AgentName(agent)))
    count_end(worker.metrics, named, Finish("completed"), 1.0)


async def test_a_thousand_random_names_make_no_series_and_a_configured_one_makes_its_own(tmp_path: Path):
    async with working(tmp_path) as worker:
        trail = worker.claim().begun(TURN, worker.clock.now_ns())
        call_everything(trail, "some name")
        end_with(worker, trail, "some name")
        before = series(worker.metrics)
        for number in range(1000):
            call_everything(trail, f"name-{number * 7919 % 1000:x}")
            end_with(worker, trail, f"name-{number * 7919 % 1000:x}")
        assert series(worker.metrics) == before
        called = worker.metrics.registry.get_sample_value
        assert called("continuo_model_call_seconds_count", {"model": "other"}) == 1001
        assert called("continuo_model_call_errors_total", {"model": "other", "kind": "broken"}) == 1001
        assert called("continuo_tool_call_seconds_count", {"tool": "other"}) == 1001
        assert called("continuo_agent_turns_total", {"agent": "other", "outcome": "completed"}) == 1001
        call_everything(trail, "gpt-5")
        end_with(worker, trail, "gpt-5")
        assert series(worker.metrics) > before
        assert called("continuo_agent_turns_total", {"agent": "gpt-5", "outcome": "completed"}) == 1
        assert called("continuo_model_call_seconds_count", {"model": "gpt-5"}) == 1


async def test_a_models_pace_is_counted_from_its_first_piece_and_a_writes_bytes_by_kind(tmp_path: Path):
    async with working(tmp_path) as worker:
        trail = worker.claim().begun(TURN, worker.clock.now_ns())
        call = trail.model("gpt-5", "openai", None)
        worker.clock.advance(2)
        call.chunk()
        call.chunk()
        worker.clock.advance(4)
        call.set(output_tokens=41)
        call.over()
        failed = trail.write("thread", "checkpoint", 700, 0)
        failed.failed("LeaseLost", "store")
        for part in (failed, trail.write("thread", "checkpoint", 300, 0), trail.write("thread", "c", 60, 2)):
            part.over()
        value = worker.metrics.registry.get_sample_value
        assert value("continuo_model_first_chunk_seconds_sum", {"model": "gpt-5"}) == 2
        assert value("continuo_model_call_seconds_sum", {"model": "gpt-5"}) == 6
        assert value("continuo_model_tokens_per_second_sum", {"model": "gpt-5"}) == 10
        assert value("continuo_checkpoint_bytes_sum", {"kind": "checkpoint"}) == 300
        assert value("continuo_checkpoint_bytes_sum", {"kind": "writes"}) == 60


def exemplars(metrics: Metrics) -> Iterator[dict[str, str]]:
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.exemplar:
                yield sample.exemplar.labels


async def test_numbers_of_a_sampled_trace_name_it_and_no_others_do(tmp_path: Path):
    async with working(tmp_path) as worker:
        call_everything(worker.claim().begun(replace(TURN, trace=UNSAMPLED), 0), "gpt-5")
        assert list(exemplars(worker.metrics)) == []
        call_everything(worker.claim().begun(TURN, 0), "gpt-5")
        found = list(exemplars(worker.metrics))
        assert found
        assert all(one == {"trace_id": TRACE} for one in found)


async def test_a_turn_that_waits_within_a_node_holds_up_no_others_start(monkeypatch: Any) -> None:
    monkeypatch.setattr(precedence, "START_S", 60.0)
    monkeypatch.setattr(precedence, "ELSEWHERE_S", 0.01)
    start = await precedence.Precedence().start()
    trail = Trail(TURN, Instruments(Tracing.off(), Metrics(), FakeClock()), 0, start=start)
    trail.node("retrieve", 1, None)
    await eventually(lambda: start.over)
