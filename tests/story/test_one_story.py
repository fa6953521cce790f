"""A message through two servers, the death of its worker and the loss of the master: a collector that
servers reach over HTTP and workers over gRPC has one connected story of it, with a span for every step.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.shared.runtime.tracing import spans
from services.shared.runtime.tracing.names import SpanRow
from tests.story.scene import NODES, Where, played
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.told_spans import Told

pytestmark = pytest.mark.slow
ELSEWHERE = {spans.CONNECT.name, spans.SUBSCRIBE.name, spans.ANSWER.name, spans.REQUEST.name}
"""In traces of their own: those of sessions, of back ends, and those that an answer to an agent begins."""
STEPS = set(map(str, range(1, 11)))


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


def row_of(span: Told) -> SpanRow | None:
    """The row of the table that a span is by its name."""
    for row in spans.table():
        if row.name == span.name or (row.named_by and span.name.startswith(f"{row.named_by[0]} ")):
            return row
    return None


async def test_a_message_through_a_takeover_and_a_failover_is_one_connected_story(
    receiver: OtlpReceiver, tmp_path: Path
) -> None:
    where = Where(receiver.environ("http/protobuf"), receiver.environ("grpc"), receiver.named)
    story = await played(tmp_path, where)
    [sent] = [one for one in receiver.named("message.send") if _about(one) == story.message]
    trace = sent.trace
    await receiver.until(lambda told: not told.orphans(trace))
    print(receiver.drawn(trace))
    told = receiver.of(trace)
    [root] = receiver.tree(trace)
    assert root.span == sent
    assert receiver.twice(trace) == []
    assert {one for one in told if row_of(one) is None} == set()
    assert {row.name for one in told if (row := row_of(one))} == {
        row.name for row in spans.table()
    } - ELSEWHERE
    _two_attempts(told)
    _both_servers(told)
    _sessions(receiver)


def _about(span: Told) -> str:
    return str(span.attributes.get("messaging.message.id"))


def _two_attempts(told: list[Told]) -> None:
    """The killed one's told in its place, and linked to by the next one, which saw the faults."""
    dead, alive = sorted((one for one in told if one.name == "turn.attempt"), key=lambda one: one.start_ns)
    assert (dead.failed, dead.error) == (True, "worker lost")
    assert (alive.failed, alive.links) == (False, ((dead.trace, dead.id),))
    assert (alive.attributes["continuo.attempt.number"], alive.attributes["continuo.keep"]) == (2, "fault")
    [wait] = [one for one in told if one.name == "message.wait"]
    assert wait.end_ns <= alive.start_ns
    taken = [one for one in told if one.name == "turn.claim" and one.attributes["continuo.takeover"]]
    assert [one.node for one in taken] == [alive.node]
    assert wait.node != alive.node


def _both_servers(told: list[Told]) -> None:
    """Each showed the message, what the dead worker had said until it was taken back, and what the other said
    until the channel moved with Redis.
    """
    for node in NODES:
        shown = [one for one in told if one.name == "message.deliver" and one.node == node]
        outcomes = [one.attributes.get("continuo.outcome") for one in shown]
        assert sum(one.attributes["continuo.event"] == "message.created" for one in shown) == 1
        assert (outcomes.count("retracted"), outcomes.count("moved")) == (1, 1)


def _sessions(receiver: OtlpReceiver) -> None:
    """The devices' own traces are whole too, and after the failover both went on where they were."""
    subscribed = receiver.named("session.subscribe")
    for trace in {one.trace for one in subscribed}:
        assert receiver.orphans(trace) == []
        assert receiver.twice(trace) == []
        assert [node.span.name for node in receiver.tree(trace)] == ["session.connect"]
    went_on = {one.node for one in subscribed if one.attributes["continuo.outcome"] == "recovered"}
    assert went_on == set(NODES)
    rows = [row for one in receiver.all if (row := row_of(one))]
    assert {step for row in rows for step in row.step.split(", ")} == STEPS
