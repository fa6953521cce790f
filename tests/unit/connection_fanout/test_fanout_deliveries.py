"""What is told of the way to the devices: per message, whichever part of it a process saw."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.connection import deliveries as module
from services.connection.deliveries import Deliveries
from services.connection.follows import Followed
from services.shared.model.conversation import Entry
from services.shared.model.events import (
    Event,
    MessageCompleted,
    MessageCreated,
    MessageDelta,
    MessageStarted,
    ReasoningCompleted,
    ReasoningDelta,
    ReasoningStarted,
    ToolDelta,
    ToolStarted,
    TurnFinished,
)
from services.shared.model.ids import Channel
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.tracing import Span, Tracing, spans, trace_id
from services.shared.wire.envelopes import encode_event
from tests.support.fake_wire import FakeHouse, FakeWire, device_on

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CID, MID = "0198c2b0-0000-7000-8000-000000000001", "0198c2b0-0000-7000-8000-00000000000a"
MS = 1_000_000


class Noted(Span):
    """What was said of a span. Takes what the real one's class does, to be set and ended once."""

    __slots__ = ("ended_ns", "facts", "name", "parent", "started_ns")

    def __init__(self, name: str, parent: str, started_ns: int, facts: dict[str, Any]) -> None:
        self.name, self.parent, self.started_ns, self.facts = name, parent, started_ns, facts
        self.ended_ns = 0

    def set(self, **facts: Any) -> None:
        assert not self.ended_ns
        self.facts |= facts

    def end(self, ended_ns: int = 0) -> None:
        assert not self.ended_ns
        self.ended_ns = ended_ns


class Notes(Tracing):
    """Tracing that only notes."""

    on = True

    def __init__(self) -> None:
        self.all: list[Noted] = []
        self.kept: list[tuple[str, str]] = []

    def begin(
        self,
        row: spans.SpanRow,
        parent: str = "",
        links: Sequence[str] = (),
        *,
        started_ns: int = 0,
        **facts: Any,
    ) -> Span:
        self.all.append(Noted(row.name, parent, started_ns, facts))
        return self.all[-1]

    def keep(self, traceparent: str, why: str) -> None:
        self.kept.append((traceparent, why))

    def told(self) -> list[tuple[str, str, Any, Any]]:
        assert all(each.ended_ns and each.parent == TRACE for each in self.all)
        return [
            (each.name, each.facts["event"], each.facts.get("outcome"), each.facts.get("deltas"))
            for each in self.all
        ]


class Pod:
    """One channel, its devices, and what is told of it; each step takes a millisecond."""

    def __init__(self, devices: int = 1, *, each_delta: bool = False) -> None:
        self.clock, self.notes = FakeClock(), Notes()
        self.deliveries = Deliveries(self.notes, self.clock, each_delta=each_delta)
        self.followed = Followed(Channel.of_conversation(CID), immediate=False, burst_bytes=0)
        self.offset = 0
        for _ in range(devices):
            self.followed.audience.admit(device_on(FakeWire(), FakeHouse()), above=0, shown=0)

    def hear(self, event: Event) -> Entry:
        self.clock.advance(0.001)
        self.offset += 1
        entry = Entry(self.offset, "d" if event.type.endswith(".delta") else "e", stored(event))
        if entry.kind == "e":
            self.deliveries.heard(self.followed, entry.offset, entry.body)
        return entry

    def show(self, *entries: Entry) -> None:
        self.clock.advance(0.001)
        began_ns = self.clock.now_ns()
        self.followed.audience.show(entries)
        self.clock.advance(0.001)
        self.deliveries.shown(self.followed, entries, began_ns)

    def see(self, *events: Event) -> None:
        for event in events:
            self.show(self.hear(event))


def stored(event: Event) -> bytes:
    return b'{"time":1764330000000,' + encode_event(event)[1:]


def said(text: str = "hi") -> Event:
    return MessageCreated(CID, MID, "ann", text, trace=TRACE)


def begun() -> Event:
    return MessageStarted(CID, MID, "bot", "t", "a", trace=TRACE)


def piece(at: int = 0) -> Event:
    return MessageDelta(MID, at, "x")


def whole() -> Event:
    return MessageCompleted(CID, MID, "bot", "t", "a", "xx", trace=TRACE)


def test_a_persons_message_is_held_and_delivered_once_for_all_devices() -> None:
    pod = Pod(devices=3)
    entry = pod.hear(said())
    pod.clock.advance(0.02)
    pod.show(entry)
    confirm, deliver = pod.notes.all
    assert (confirm.name, deliver.name) == ("message.confirm", "message.deliver")
    assert confirm.ended_ns - confirm.started_ns == 21 * MS
    assert confirm.facts["replication_ms"] == pytest.approx(21)
    assert (deliver.started_ns, deliver.ended_ns - deliver.started_ns) == (confirm.ended_ns, MS)
    assert (deliver.facts["followers"], deliver.facts["message"], deliver.facts["offset"]) == (3, MID, 1)


def test_a_thought_is_one_delivery_too_and_leaves_nothing_behind() -> None:
    pod = Pod()
    pod.see(ReasoningStarted(CID, MID, "bot", "t", "a", trace=TRACE), ReasoningDelta(MID, 0, "x"))
    pod.see(ReasoningCompleted(CID, MID, "bot", "t", "a", "x", trace=TRACE))
    assert pod.notes.told()[-1] == ("message.deliver", "reasoning.completed", "completed", 1)
    assert pod.followed.way
    assert pod.followed.way.messages == {}


def test_pieces_of_a_tools_arguments_are_counted_nowhere() -> None:
    pod = Pod()
    pod.see(ToolStarted(CID, "bot", "t", "a", MID, "shop", trace=TRACE), ToolDelta(MID, 0, '{"message":"'))
    assert [each[1] for each in pod.notes.told()] == ["tool.started"]
    assert pod.followed.way is None or pod.followed.way.messages == {}


def test_an_answer_is_one_delivery_from_its_first_frame_to_its_last() -> None:
    pod = Pod()
    pod.see(begun(), *(piece(at) for at in range(5)), whole())
    assert pod.notes.told() == [
        ("message.confirm", "message.started", None, None),
        ("message.deliver", "message.completed", "completed", 5),
    ]
    deliver = pod.notes.all[-1]
    assert deliver.ended_ns - deliver.started_ns == (6 * 3 + 1) * MS
    assert pod.followed.way is not None
    assert not pod.followed.way.messages
    assert not pod.followed.way.heard


def test_an_answer_whose_beginning_was_not_seen_is_told_by_its_end() -> None:
    pod = Pod()
    pod.see(piece(), piece(1), whole())
    assert pod.notes.told() == [("message.deliver", "message.completed", "completed", 2)]
    pod = Pod()
    pod.see(whole())
    assert pod.notes.told() == [("message.deliver", "message.completed", "completed", 0)]


def test_what_is_on_its_way_when_the_channel_is_let_go_ends_there() -> None:
    pod = Pod()
    pod.see(begun(), piece())
    pod.deliveries.left(pod.followed, "left")
    pod.deliveries.left(pod.followed, "left")
    assert pod.notes.told()[1:] == [("message.deliver", "message.started", "left", 1)]
    pod.see(piece(1), whole())  # those who came again were given it whole, and see its end
    assert pod.notes.told()[2:] == [("message.deliver", "message.completed", "completed", 1)]


def test_nobody_here_is_no_delivery_but_the_end_of_a_turn_counts_all_the_same() -> None:
    pod = Pod(devices=0)
    pod.see(
        said(), begun(), piece(), whole(), TurnFinished(CID, "t", "a", "failed", keep="failed", trace=TRACE)
    )
    assert pod.notes.all == []
    assert pod.notes.kept == [(TRACE, "failed")]


def test_a_turn_that_ended_well_is_not_kept() -> None:
    pod = Pod()
    pod.see(TurnFinished(CID, "t", "a", "completed", trace=TRACE))
    assert (pod.notes.told(), pod.notes.kept) == ([("message.deliver", "turn.finished", None, None)], [])


def test_what_belongs_to_no_trace_is_not_told() -> None:
    pod = Pod()
    pod.see(MessageCreated(CID, MID, "ann", f'"type":"message.created","trace":"{TRACE}"'))
    pod.show(Entry(0, "t", b'{"typing":true}'), Entry(0, "j", b"{}"))
    assert pod.notes.all == []
    assert pod.followed.way is None


def test_what_was_heard_and_read_again_counts_from_the_first_time() -> None:
    pod = Pod()
    entry = pod.hear(said())
    pod.clock.advance(0.1)
    pod.deliveries.heard(pod.followed, entry.offset, entry.body)  # the reading that fills a hole before it
    pod.show(entry)
    assert pod.notes.all[0].facts["replication_ms"] == pytest.approx(101)


def test_beginnings_that_are_never_shown_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HEARD", 10)
    pod = Pod()
    for _ in range(100):
        pod.hear(said())
    assert pod.followed.way is not None
    assert len(pod.followed.way.heard) <= 10


def test_an_exemplar_names_the_trace_of_an_event_and_of_a_message_s_deltas() -> None:
    pod = Pod()
    first, delta, last = pod.hear(begun()), pod.hear(piece()), pod.hear(whole())
    assert pod.deliveries.exemplar(pod.followed, delta) is None  # its beginning was not shown here
    pod.show(first, delta)
    named = {"trace_id": trace_id(TRACE)}
    assert [pod.deliveries.exemplar(pod.followed, each) for each in (first, delta, last)] == [named] * 3
    pod.show(last)
    assert pod.deliveries.exemplar(pod.followed, delta) is None
    assert pod.deliveries.exemplar(pod.followed, last) == named


def test_what_is_not_sampled_and_what_has_no_trace_is_no_exemplar() -> None:
    pod = Pod()
    unsampled = MessageCreated(CID, MID, "ann", "hi", trace=TRACE.removesuffix("01") + "00")
    without = MessageCreated(CID, MID, "ann", "hi")
    assert [pod.deliveries.exemplar(pod.followed, pod.hear(each)) for each in (unsampled, without)] == [
        None
    ] * 2


def test_each_delta_is_told_only_where_that_is_wanted() -> None:
    pod = Pod(each_delta=True)
    pod.see(piece(), begun(), piece(), piece(1), whole())
    deltas = [each for each in pod.notes.told() if each[1] == "message.delta"]
    assert len(deltas) == 2  # the first had no beginning, and so no trace


def test_no_text_is_told() -> None:
    pod = Pod(each_delta=True)
    pod.see(said("marked"), begun(), MessageDelta(MID, 0, "marked"))
    pod.see(MessageCompleted(CID, MID, "bot", "t", "a", "marked", {"marked": 1}, trace=TRACE))
    assert "marked" not in repr([each.facts for each in pod.notes.all])
