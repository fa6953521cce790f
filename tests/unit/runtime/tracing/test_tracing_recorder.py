"""What a span says, and where it stands, before any of it leaves the process."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import CollectorRegistry

from services.shared.runtime.clock import FakeClock
from services.shared.runtime.logging import configure, get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing, TracingSettings, of_attempt, spans, trace_id
from services.shared.runtime.tracing.recorder import Recorder, described
from tests.support.waiting import eventually

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-1] + "0"


class Kept:
    """An exporter that keeps all it is given; told so, it raises."""

    def __init__(self) -> None:
        self.all: dict[str, ReadableSpan] = {}
        self.breaks = False
        self.closed = False

    def export(self, exported: Any) -> str:
        if self.breaks:
            raise RuntimeError("broken")
        self.all |= {one.name: one for one in exported}
        return ""

    def shutdown(self) -> None:
        self.closed = True


class At:
    """A recorder that sends to `Kept`, on a clock that stands still."""

    def __init__(self, **said: Any) -> None:
        self.kept = Kept()
        self.clock = FakeClock()
        self.metrics = Metrics(CollectorRegistry())
        settings = TracingSettings(**{"traces_ratio": 1.0} | said)
        self.tracing = Recorder(settings, described("connection", "n1"), self.kept, self.metrics, self.clock)
        self.tracing._begin()

    async def sent(self) -> dict[str, ReadableSpan]:
        await self.tracing.close()
        return self.kept.all


@pytest.fixture
async def at() -> At:
    return At()


def dropped(at: At, why: str) -> float | None:
    return at.metrics.registry.get_sample_value("continuo_traces_dropped_total", {"why": why})


async def test_a_span_within_another_is_its_child_and_a_parent_of_elsewhere_is_remote(at: At):
    with at.tracing.span(spans.SEND, SAMPLED) as send, at.tracing.span(spans.ACCEPT) as accept:
        assert at.tracing.current == accept.traceparent
        begun = at.tracing.begin(spans.CONFIRM, send.traceparent)
        begun.end()
    assert at.tracing.current == ""
    assert {trace_id(SAMPLED)} == {one.trace for one in (send, accept, begun)}
    sent = await at.sent()
    above = {name: (f"{one.parent.span_id:016x}", one.parent.is_remote) for name, one in sent.items()}
    own = send.traceparent[36:52]
    assert above == {
        "message.send": (SAMPLED[36:52], True),
        "message.accept": (own, False),
        "message.confirm": (own, False),
    }


async def test_a_begun_span_is_never_current_but_inside_its_block(at: At):
    begun = at.tracing.begin(spans.ATTEMPT, attempt="a1")
    assert at.tracing.current == ""
    with at.tracing.inside(begun), at.tracing.span(spans.NODE) as node:
        assert node.trace == begun.trace
    assert at.tracing.current == ""
    begun.set(outcome="completed")
    begun.end()
    sent = await at.sent()
    assert dict(sent["turn.attempt"].attributes or {})["continuo.outcome"] == "completed"


async def test_no_parent_and_nothing_current_is_a_new_trace(at: At):
    one, other = at.tracing.begin(spans.SEND), at.tracing.begin(spans.SEND, "no such thing")
    assert one.trace != other.trace
    one.end()
    other.end()
    assert all(span.parent is None for span in (await at.sent()).values())


async def test_a_task_that_outlives_the_span_it_was_started_in_is_not_in_it_any_more(at: At):
    go = asyncio.Event()

    async def later() -> str:
        await go.wait()
        with at.tracing.span(spans.SEND) as span:
            return span.trace

    with at.tracing.span(spans.SEND) as span:
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    go.set()
    assert await task != span.trace
    await at.sent()


async def test_sampling_follows_the_parent_and_at_a_root_the_ratio():
    for ratio, sampled in ((0.0, "00"), (1.0, "01")):
        at = At(traces_ratio=ratio)
        for parent, flags in ((SAMPLED, "01"), (UNSAMPLED, "00"), ("", sampled)):
            span = at.tracing.begin(spans.SEND, parent)
            assert span.traceparent.endswith(flags)
            assert span.exemplar == ({"trace_id": span.trace} if flags == "01" else None)
        await at.tracing.close()


async def test_a_ratio_samples_about_its_share():
    at = At(traces_ratio=0.25, traces_buffer_spans=10_000)
    sampled = sum(at.tracing.begin(spans.SEND).traceparent.endswith("01") for _ in range(4000))
    assert 800 < sampled < 1200
    await at.tracing.close()


async def test_times_are_the_clocks_or_those_that_are_told(at: At):
    at.tracing.begin(spans.WAIT, started_ns=5).end(ended_ns=9)
    at.tracing.begin(spans.FINISH, started_ns=5).end(ended_ns=3)
    with at.tracing.span(spans.SEND):
        at.clock.advance(1.5)
    sent = await at.sent()
    assert (sent["message.wait"].start_time, sent["message.wait"].end_time) == (5, 9)
    assert (sent["turn.finish"].start_time, sent["turn.finish"].end_time) == (5, 5)
    send = sent["message.send"]
    assert (send.end_time or 0) - (send.start_time or 0) == 1_500_000_000


async def test_the_first_failure_counts_and_nothing_is_taken_after_the_end(at: At):
    span = at.tracing.begin(spans.SEND)
    span.fail("first")
    span.fail("second")
    span.end()
    span.set(code=1)
    span.fail("third")
    span.link(SAMPLED)
    span.end()
    span.drop()
    (sent,) = (await at.sent()).values()
    assert sent.attributes is not None
    assert (sent.attributes["error.type"], "continuo.code" in sent.attributes, len(sent.links)) == (
        "first",
        False,
        0,
    )


@pytest.mark.parametrize("raised", [ValueError("secret"), asyncio.CancelledError(), TimeoutError()])
async def test_an_exception_is_named_by_its_kind_and_goes_on(at: At, raised: BaseException):
    with contextlib.suppress(type(raised)), at.tracing.span(spans.SEND):
        raise raised
    (sent,) = (await at.sent()).values()
    assert sent.status.description == type(raised).__name__
    assert "secret" not in sent.to_json()


async def test_what_is_not_said_is_not_sent_and_a_dropped_span_is_not_either(at: At):
    with at.tracing.span(spans.SEND, conversation=None, code=0):
        at.tracing.begin(spans.ATTEMPT, attempt="a1").drop()
    (sent,) = (await at.sent()).values()
    assert set(sent.attributes or {}) == {"continuo.code", "network.protocol.name", "network.transport"}


async def test_an_attempts_span_has_the_id_that_others_make_of_it(at: At):
    attempt = at.tracing.begin(spans.ATTEMPT, SAMPLED, attempt="a1")
    assert attempt.traceparent == of_attempt(SAMPLED, "a1")
    attempt.end()
    await at.sent()


@pytest.mark.parametrize(
    ("clients", "expected"),
    [("link", ("", (SAMPLED,))), ("parent", (SAMPLED, ())), ("ignore", ("", ()))],
)
async def test_a_clients_own_trace_becomes_what_the_settings_say(clients: str, expected: tuple[Any, ...]):
    at = At(traces_clients=clients)
    assert at.tracing.of_client(SAMPLED) == expected
    assert at.tracing.of_client("garbage") == ("", ())
    await at.tracing.close()


async def test_an_exporter_that_raises_costs_its_spans_and_no_more(at: At):
    at.kept.breaks = True
    at.tracing.begin(spans.SEND).end()
    await eventually(lambda: dropped(at, "failed") == 1)
    at.kept.breaks = False
    at.tracing.begin(spans.ACCEPT).end()
    assert set(await at.sent()) == {"message.accept"}
    assert at.kept.closed


async def test_after_the_end_spans_are_counted_and_go_nowhere(at: At):
    span = at.tracing.begin(spans.SEND)
    await at.tracing.close()
    span.end()
    assert (dropped(at, "ended"), at.kept.all) == (1, {})


async def test_the_environment_may_name_the_process_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=blue")
    said = described("connection", "n1").attributes
    names = ("service.name", "service.instance.id", "deployment.environment.name")
    assert [said[name] for name in names] == ["mine", "n1", "blue"]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("connection", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_a_line_written_within_a_trace_names_it(at: At, written: io.StringIO):
    log = get_logger("here")
    with at.tracing.span(spans.SEND) as span:
        log.info("within")
        logging.getLogger("foreign").warning("within, too")
    log.info("without")
    await at.tracing.close()
    with at.tracing.span(spans.SEND):
        log.info("after the end")
    traces = [json.loads(line).get("trace") for line in written.getvalue().splitlines()]
    assert traces == [span.trace, span.trace, None, None]
    assert len(span.trace) == 32


async def test_off_takes_every_word_and_says_nothing():
    off = Tracing.off()
    with off.span(spans.SEND, SAMPLED, (SAMPLED,), message="m") as span:
        span.set(code=1)
        span.fail("no")
        span.link(SAMPLED)
        off.keep(SAMPLED, "slow")
        with off.inside(span):
            assert (span.traceparent, span.trace, span.exemplar, off.current, off.on) == (
                "",
                "",
                None,
                "",
                False,
            )
    off.begin(spans.SEND).end(5)
    off.begin(spans.SEND).drop()
    assert off.of_client(SAMPLED) == ("", ())
    await off.close()


async def test_the_end_as_composition_roots_register_it_sends_what_is_left(at: At):
    with at.tracing.span(spans.SEND):
        pass
    await Tracing.close(at.tracing)
    assert set(at.kept.all) == {"message.send"}
    assert at.kept.closed


PROMPT = "a prompt of some length, " * 4_000
"""100 KB."""


async def told_by_a_graph(at: At, spans_of_it: int) -> None:
    """What a library in a graph tells that keeps what is said to models."""
    tracer = otel.get_tracer("a library")
    for number in range(spans_of_it):
        with at.tracing.span(spans.NODE), tracer.start_as_current_span(f"call {number}") as call:
            call.set_attribute("prompt", PROMPT)
            call.add_event("heard", {"parts": (PROMPT, PROMPT)})


async def test_what_a_graph_says_at_length_is_bounded_by_its_size_and_not_only_by_number():
    at = At(traces_ratio=0.0, traces_buffer_spans=1000)
    await told_by_a_graph(at, 20)
    held = at.metrics.registry.get_sample_value("continuo_traces_held")
    overflown = at.metrics.registry.get_sample_value("continuo_traces_spans_total", {"fate": "overflow"})
    # Three of 300 KB are within 1,000 KB; each of the others went, with our own span above it.
    assert (held, overflown) == (3 * (1 + 3 * len(PROMPT) // 1024 + 1), 34.0)
    await at.tracing.close()


async def test_what_a_graph_says_of_our_own_span_counts_too():
    at = At(traces_ratio=0.0, traces_buffer_spans=1000)
    for _ in range(10):
        with at.tracing.span(spans.NODE):
            otel.get_current_span().set_attribute("prompt", PROMPT * 4)
    assert (at.metrics.registry.get_sample_value("continuo_traces_held") or 0) < 1000
    await at.tracing.close()
