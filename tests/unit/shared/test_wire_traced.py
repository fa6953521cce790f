"""What an event says of its trace, read where the scripts put it, and nowhere that people can reach."""

import pytest

from services.shared.model import events
from services.shared.model.events import Event
from services.shared.wire.envelopes import encode_event
from services.shared.wire.traced import Traced, keep_of, message_of_delta, traced

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MESSAGE = "0198c2b0-0000-7000-8000-00000000000a"
LIES = '","trace":"00-bad","keep":"failed"}'
HOSTILE = ["", LIES, '\\","keep":"slow"}', '{"time":1,"type":"turn.finished","trace":"00-bad"}', "é🙂\\"]


def body(event: Event) -> bytes:
    """As append.lua stores it."""
    return b'{"time":1764330000000,' + encode_event(event)[1:]


def of_all(text: str, trace: str | None) -> dict[str, Event]:
    """One of each kind that can carry a trace, saying this text wherever it can."""
    named = {"conversation": "c", "trace": trace}
    turn = {"turn": "t", "attempt": "a"}
    made = [
        events.MessageCreated(message=MESSAGE, user="ann", text=text, **named),
        events.MessageStarted(message=MESSAGE, agent="bot", **turn, **named),
        events.MessageCompleted(message=MESSAGE, agent="bot", text=text, usage={text: 1}, **turn, **named),
        events.MessageRetracted(message=MESSAGE, reason=text, **turn, **named),
        events.TurnStarted(agent="bot", messages=[MESSAGE], **turn, **named),
        events.TurnFinished(outcome="failed", reason=text, **turn, **named),
    ]
    return {event.type: event for event in made}


@pytest.mark.parametrize("text", HOSTILE)
def test_every_event_of_a_trace_is_read_whatever_people_say_in_it(text: str) -> None:
    for kind, event in of_all(text, TRACE).items():
        message = MESSAGE if kind.startswith("message.") else ""
        turn = "" if kind == "message.created" else "t"
        assert traced(body(event)) == Traced(kind, TRACE, "c", message, turn)
        assert keep_of(body(event)) == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_an_event_of_no_trace_has_none_whatever_people_say_in_it(text: str) -> None:
    for event in of_all(text, None).values():
        assert traced(body(event)) is None
    assert traced(body(events.MemberJoined("c", "ann", text, "member"))) is None
    assert traced(text.encode()) is None


@pytest.mark.parametrize("keep", ["failed", "slow", "fault"])
def test_why_a_trace_is_kept_stands_at_the_end(keep: events.Keep) -> None:
    said = events.TurnFinished("c", "t", "a", "failed", LIES, keep=keep, trace=TRACE)
    assert keep_of(body(said)) == keep


def test_what_a_later_release_puts_before_the_time_changes_nothing() -> None:
    novel = b'{"novel":{"of":[1]},'
    for kind, event in of_all(LIES, TRACE).items():
        found = traced(novel + body(event)[1:])
        assert found is not None
        assert (found.type, found.trace) == (kind, TRACE)
    assert message_of_delta(novel + body(events.MessageDelta(MESSAGE, 0, "x"))[1:]) == MESSAGE.encode()


def test_a_delta_names_its_message() -> None:
    assert message_of_delta(body(events.MessageDelta(MESSAGE, 7, LIES))) == MESSAGE.encode()
    assert message_of_delta(b"{}") == b""
