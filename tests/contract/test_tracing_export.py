"""Spans on their way to a real collector, by gRPC and HTTP, and into a file: taken, refused, not answered."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import load
from services.shared.runtime.tracing import (
    Tracing,
    TracingSettings,
    exporters,
    of_attempt,
    spans,
    trace_id,
)
from tests.support.otlp_receiver import OtlpReceiver, Protocol
from tests.support.told_spans import Spans
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]
PROTOCOLS: list[Protocol] = ["grpc", "http/protobuf"]
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Ticking(FakeClock):
    """No two spans begin at once."""

    def now_ns(self) -> int:
        self.advance(0.000_01)
        return super().now_ns()


class Rig:
    """A process's tracing, and what it counted."""

    def __init__(self, tracing: Tracing, metrics: Metrics, clock: FakeClock) -> None:
        self.tracing = tracing
        self.metrics = metrics
        self.clock = clock

    def fate(self, fate: str) -> float:
        return self._of("traces_spans", fate=fate)

    def dropped(self, why: str) -> float:
        return self._of("traces_dropped", why=why)

    def _of(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"continuo_{name}_total", labels) or 0.0


def rig(service: str = "connection", **said: Any) -> contextlib.AbstractAsyncContextManager[Rig]:
    return opened(TracingSettings(**said), service)


@contextlib.asynccontextmanager
async def opened(settings: TracingSettings, service: str = "connection") -> AsyncIterator[Rig]:
    metrics, clock = Metrics(), Ticking()
    tracing = await Tracing.open(settings, service=service, node="n1", metrics=metrics, clock=clock)
    try:
        yield Rig(tracing, metrics, clock)
    finally:
        await tracing.close()


def towards(receiver: OtlpReceiver, protocol: Protocol, ratio: float = 1.0, **said: Any) -> dict[str, Any]:
    where = {"otlp_endpoint": receiver.endpoint(protocol), "otlp_protocol": protocol}
    return {"traces": "otlp", "traces_ratio": ratio} | where | said


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as opened:
        yield opened


def story(tracing: Tracing) -> str:
    """One of each thing that a span can say; the traceparent of the outer one."""
    with tracing.span(spans.SEND, conversation="c1", message="m1", code=0) as send:
        with tracing.span(spans.ACCEPT, links=(SAMPLED, "no such thing", ""), turns=2) as accept:
            accept.set(repeat=False, offset=7)
            accept.fail("queue_full")
        with contextlib.suppress(ValueError), tracing.span(spans.CHAT, model="m", finish=["stop", "length"]):
            raise ValueError("what somebody said")
    return send.traceparent


def judge_story(told: Spans, trace: str) -> None:
    send, accept, chat = told.of(trace)
    assert told.orphans(trace) == []
    assert [(one.name, one.kind, one.parent) for one in (send, accept, chat)] == [
        ("message.send", "SERVER", ""),
        ("message.accept", "PRODUCER", send.id),
        ("chat m", "CLIENT", send.id),
    ]
    assert {(one.service, one.node, one.late, one.remote_parent) for one in (send, accept, chat)} == {
        ("continuo-connection", "n1", False, False)
    }
    assert send.attributes == {
        "messaging.message.conversation_id": "c1",
        "messaging.message.id": "m1",
        "continuo.code": 0,
        "network.protocol.name": "websocket",
        "network.transport": "tcp",
    }
    assert accept.links == ((SAMPLED[3:35], SAMPLED[36:52]),)
    assert (accept.failed, accept.error) == (True, "queue_full")
    said = {name: accept.attributes[f"continuo.{name}"] for name in ("turns", "repeat", "offset")}
    assert said == {"turns": 2, "repeat": False, "offset": 7}
    assert (chat.failed, chat.error) == (True, "ValueError")
    assert chat.attributes["gen_ai.response.finish_reasons"] == ["stop", "length"]
    assert "somebody" not in repr(told.all)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_sampled_trace_arrives_as_one_story(receiver: OtlpReceiver, protocol: Protocol):
    async with rig(**towards(receiver, protocol)) as at:
        trace = trace_id(story(at.tracing))
        await receiver.until(lambda told: len(told.of(trace)) == 3)
    judge_story(receiver, trace)
    assert set(receiver.requests) == {protocol}
    assert at.fate("sampled") == 3


async def test_a_file_holds_the_same_story_in_the_protocols_own_json(tmp_path: Path):
    path = tmp_path / "spans.jsonl"
    async with rig(traces="file", traces_file=str(path), traces_ratio=1.0) as at:
        trace = trace_id(story(at.tracing))
    judge_story(Spans.read(path), trace)
    (line,) = (json.loads(each) for each in path.read_text().splitlines())
    (resource,) = line["resourceSpans"]
    assert resource["scopeSpans"][0]["spans"][-1]["traceId"] == trace


async def test_several_processes_append_to_one_file(tmp_path: Path):
    path = tmp_path / "spans.jsonl"
    said = {"traces": "file", "traces_file": str(path), "traces_ratio": 1.0}
    async with rig("connection", **said) as one, rig("conversation", **said) as other:
        with one.tracing.span(spans.SEND) as send:
            pass
        with other.tracing.span(spans.ATTEMPT, send.traceparent):
            pass
    told = Spans.read(path)
    assert [
        (each.name, each.service, each.remote_parent)
        for each in sorted(told.of(send.trace), key=lambda one: one.name)
    ] == [
        ("message.send", "continuo-connection", False),
        ("turn.attempt", "continuo-conversation", True),
    ]


async def test_a_file_that_cannot_be_written_is_counted(tmp_path: Path):
    async with rig(traces="file", traces_file=str(tmp_path / "none/x"), traces_ratio=1.0) as at:
        story(at.tracing)
        await eventually(lambda: at.dropped("failed") == 3)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_unsampled_trace_arrives_once_it_is_kept_and_says_so(
    receiver: OtlpReceiver, protocol: Protocol
):
    async with rig(**towards(receiver, protocol, ratio=0.0)) as at:
        trace = story(at.tracing)
        with at.tracing.span(spans.DELIVER, SAMPLED):
            pass
        await receiver.until(lambda told: told.named("message.deliver"))
        assert receiver.traces() == {trace_id(SAMPLED)}
        at.tracing.keep(trace, "slow")
        await receiver.until(lambda told: len(told.of(trace_id(trace))) == 3)
        with at.tracing.span(spans.DELIVER, trace):
            pass
        await receiver.until(lambda told: len(told.of(trace_id(trace))) == 4)
    assert all(one.late for one in receiver.of(trace_id(trace)))
    assert not any(one.late for one in receiver.of(trace_id(SAMPLED)))
    assert receiver.orphans(trace_id(trace)) == []
    assert (at.fate("late"), at.fate("sampled")) == (4, 1)


async def test_what_nobody_keeps_expires_and_what_finds_no_room_overflows_and_both_are_counted(
    receiver: OtlpReceiver,
):
    few = towards(receiver, "http/protobuf", ratio=0.0, traces_buffer_spans=100, traces_buffer_s=60.0)
    async with rig(**few) as at:
        for _ in range(120):
            with at.tracing.span(spans.SEND):
                pass
        assert at.fate("overflow") == 20
        at.clock.advance(60)
        await eventually(lambda: at.fate("expired") == 100)
    assert receiver.all == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_collector_that_never_answers_delays_neither_spans_nor_the_end(
    receiver: OtlpReceiver, protocol: Protocol
):
    receiver.manner = "hang"
    async with rig(**towards(receiver, protocol)) as at:
        story(at.tracing)
        await receiver.until(lambda told: told.requests)
        for _ in range(1000):
            story(at.tracing)
    # Nothing has been let go: the spans were made, and the end came, with the first request unanswered.
    assert not receiver._let_go.is_set()
    assert at.dropped("ended") + at.dropped("failed") == 3003
    assert receiver.all == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_collector_that_refuses_costs_only_the_spans(receiver: OtlpReceiver, protocol: Protocol):
    receiver.manner = "refuse"
    with capture_logs() as lines:
        async with rig(**towards(receiver, protocol)) as at:
            for failed in (3, 6):
                story(at.tracing)
                await eventually(lambda failed=failed: at.dropped("failed") == failed, within_s=20)
            receiver.manner = "well"
            trace = trace_id(story(at.tracing))
            await receiver.until(lambda told: len(told.of(trace)) == 3)
    said = [(line["event"], line.get("why", "")) for line in lines]
    assert [event for event, _ in said] == ["traces not taken", "traces taken again"]
    assert ("PERMISSION_DENIED" if protocol == "grpc" else "403") in said[0][1]


async def test_where_no_collector_is_spans_are_made_and_the_end_comes():
    nowhere = ("http://127.0.0.1:9", "http://no-such-host.invalid:4318", "///", "http://x:y")

    async def live(endpoint: str, protocol: Protocol) -> None:
        async with rig(traces="otlp", otlp_endpoint=endpoint, otlp_protocol=protocol, traces_ratio=1.0) as at:
            for _ in range(100):
                story(at.tracing)
        if at.tracing.on:
            assert at.dropped("ended") + at.dropped("failed") == 300

    async with asyncio.TaskGroup() as all_of_them:
        for protocol in PROTOCOLS:
            for endpoint in nowhere:
                all_of_them.create_task(live(endpoint, protocol))


async def test_a_queue_that_is_full_takes_no_more_and_counts_it(receiver: OtlpReceiver):
    receiver.manner = "hang"
    async with rig(**towards(receiver, "grpc", traces_buffer_spans=300)) as at:
        story(at.tracing)
        await receiver.until(lambda told: told.requests)
        for _ in range(101):
            story(at.tracing)
        assert at.dropped("full") == 3


async def test_variables_that_make_no_sense_switch_tracing_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "nonsense")
    async with rig(traces="otlp", otlp_protocol="grpc") as at:
        assert not at.tracing.on
        assert story(at.tracing) == ""


async def test_the_standard_headers_travel(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
    for protocol in PROTOCOLS:
        async with rig(**towards(receiver, protocol)) as at:
            story(at.tracing)
    assert [each["x-tenant"] for each in receiver.headers] == ["blue", "blue"]


async def test_headers_stand_in_a_file_as_other_secrets_do(receiver: OtlpReceiver, tmp_path: Path):
    """And beside the standard variable, which holds no less."""
    (tmp_path / "headers").write_text("authorization=Bearer%20of-us,x-tenant=blue\n")
    for protocol in PROTOCOLS:
        environ = receiver.environ(protocol) | {"OTEL_EXPORTER_OTLP_HEADERS_FILE": str(tmp_path / "headers")}
        async with opened(load(TracingSettings, environ)) as at:
            story(at.tracing)
    told = [(each["authorization"], each["x-tenant"]) for each in map(lowered, receiver.headers)]
    assert told == [("Bearer of-us", "blue")] * 2


async def test_what_is_no_header_switches_tracing_off_and_is_not_quoted(
    receiver: OtlpReceiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "headers").write_text("Bearer very-secret")
    environ = receiver.environ() | {"OTEL_EXPORTER_OTLP_HEADERS_FILE": str(tmp_path / "headers")}
    settings = load(TracingSettings, environ)
    async with opened(settings) as at:
        assert not at.tracing.on
    with pytest.raises(ValueError, match="OTEL_EXPORTER_OTLP_HEADERS") as fault:
        exporters.opened(settings)
    assert "very-secret" not in str(fault.value) + caplog.text


def lowered(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def test_a_dead_attempt_is_told_in_its_place_and_the_next_one_links_to_it(receiver: OtlpReceiver):
    async with rig(**towards(receiver, "grpc")) as at:
        with at.tracing.span(spans.SEND) as send:
            pass
        # What the dead worker had sent before: a child of its attempt.
        of_dead = of_attempt(send.traceparent, "a1")
        at.tracing.begin(spans.NODE, of_dead, node="model").end()
        told = at.tracing.begin(spans.ATTEMPT, send.traceparent, started_ns=1_000, attempt="a1", number=1)
        told.fail("worker lost")
        told.end(ended_ns=9_000)
        with at.tracing.span(spans.ATTEMPT, send.traceparent, (of_dead,), attempt="a2", number=2) as again:
            pass
        await receiver.until(lambda told: len(told.of(send.trace)) == 4)
    assert told.traceparent == of_dead
    dead, after = receiver.named("turn.attempt", send.trace)
    assert (dead.start_ns, dead.end_ns, dead.error) == (1_000, 9_000, "worker lost")
    assert after.links == ((send.trace, dead.id),)
    assert after.id == of_attempt(again.traceparent, "a2")[36:52]
    assert receiver.orphans(send.trace) == []


async def test_spans_a_graph_makes_itself_join_the_trace_and_may_be_kept_with_it(receiver: OtlpReceiver):
    from opentelemetry import trace as otel  # noqa: PLC0415 - what a user's graph imports

    async with rig(**towards(receiver, "grpc", ratio=0.0)) as at:
        with at.tracing.span(spans.ATTEMPT, attempt="a1") as attempt:
            otel.get_current_span().set_attribute("mine", 1)
            with (
                otel.get_tracer("graph").start_as_current_span("look up"),
                at.tracing.span(spans.CHAT, model="m"),
            ):
                pass
        at.tracing.keep(attempt.traceparent, "failed")
        await receiver.until(lambda told: len(told.of(attempt.trace)) == 3)
    names = [(depth, one.name, one.late) for depth, one in receiver.tree(attempt.trace)[0].walk()]
    assert names == [(0, "turn.attempt", True), (1, "look up", True), (2, "chat m", True)]
    assert receiver.named("turn.attempt")[0].attributes["mine"] == 1
    with otel.get_tracer("graph").start_as_current_span("after the end") as span:
        assert not span.is_recording()


ENDING = """
import asyncio, os
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import load
from services.shared.runtime.tracing import Tracing, TracingSettings, spans

async def main():
    settings = load(TracingSettings, os.environ)
    tracing = await Tracing.open(settings, service="presence", node="n", metrics=Metrics())
    assert tracing.on
    for _ in range(500):
        tracing.begin(spans.SEND).end()
    print("made", flush=True)
    await asyncio.to_thread(input)
    await tracing.close()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_process_ends_while_its_collector_hangs(receiver: OtlpReceiver, protocol: Protocol):
    receiver.manner = "hang"
    command = [sys.executable, "-c", ENDING]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HOUSE, env=receiver.environ(protocol), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    await receiver.until(lambda told: told.requests)
    _, errors = await asyncio.wait_for(process.communicate(b"\n"), 60)
    assert process.returncode == 0, errors.decode()
    assert not receiver._let_go.is_set()


def test_what_is_off_loads_nothing_and_tells_nothing():
    code = (
        "import asyncio, sys\n"
        "from services.shared.runtime.metrics import Metrics\n"
        "from services.shared.runtime.tracing import NOTHING, Tracing, TracingSettings, spans\n"
        "async def main():\n"
        "    off = await Tracing.open(TracingSettings(), service='x', node='n', metrics=Metrics())\n"
        "    with off.span(spans.SEND) as span:\n"
        "        assert span is NOTHING and off.begin(spans.SEND) is NOTHING and off.current == ''\n"
        "    await off.close()\n"
        "asyncio.run(main())\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'opentelemetry', 'grpc', 'google', 'requests'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
