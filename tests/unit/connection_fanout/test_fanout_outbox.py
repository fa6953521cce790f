"""What a slow device is owed: frames in order, and the pieces of one text joined."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.connection.core.outbox import MOST_JOINED, Outbox
from services.connection.frames import publication_frame
from services.connection.hub import Audience
from services.shared.model.conversation import Entry
from services.shared.model.events import MessageDelta, ReasoningDelta, SubagentDelta, ToolDelta
from services.shared.model.ids import Channel
from services.shared.wire.deltas import Delta, joined, taken_apart
from services.shared.wire.envelopes import encode_event
from tests.support.fake_wire import FakeHouse, FakeWire, device_on

CHANNEL = Channel.of_conversation("0198c0de-0000-7000-8000-000000000001")
ALL = 1 << 30


def _body(message: str, at: int, text: str) -> bytes:
    return b'{"time":7,' + encode_event(MessageDelta(message, at, text))[1:]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _delta(message: str, at: int, text: str) -> Delta:
    delta = taken_apart(_body(message, at, text))
    assert delta is not None
    return delta


def _outbox(limit: int = ALL) -> Outbox:
    return Outbox(limit, lambda channel, body, offset: b"%s %d %s" % (channel.encode(), offset, body))


def test_what_is_joined_reads_as_one_delta_from_where_the_first_began() -> None:
    first, second = _delta("m", 3, 'a "quoted" \n'), _delta("m", 15, "\U0001f600 and more")
    one = json.loads(joined(first.head, [first.text, second.text]))
    expected = {"time": 7, "type": "message.delta", "message": "m", "at": 3}
    assert one == {**expected, "text": 'a "quoted" \n\U0001f600 and more'}
    assert (first.ends, second.ends) == (15, 15 + _units("\U0001f600 and more"))


@pytest.mark.parametrize("kind", [MessageDelta, ReasoningDelta, ToolDelta, SubagentDelta])
def test_pieces_of_whatever_is_streamed_are_joined(
    kind: type[MessageDelta | ReasoningDelta | ToolDelta | SubagentDelta],
) -> None:
    body = b'{"time":7,' + encode_event(kind("m", 3, "more"))[1:]
    piece = taken_apart(body)
    assert piece is not None
    one = json.loads(joined(piece.head, [piece.text, piece.text]))
    assert (one["type"], one["at"], one["text"]) == (kind.type, 3, "moremore")


def test_what_is_written_otherwise_is_left_as_it_is() -> None:
    assert (
        taken_apart(b'{"time":7,"type":"message.delta","message":"m","at":3,"text":"x","more":"y"}') is None
    )
    assert taken_apart(b'{"time":7,"type":"message.completed","message":"m","text":"x"}') is None
    assert taken_apart(b'{"time":7,"type":"message.delta","message":"m","at":3,"text":7}') is None


def test_the_pieces_of_a_text_wait_as_one_at_the_place_of_the_last() -> None:
    outbox = _outbox()
    assert outbox.put_delta("c", _delta("m", 0, "on"), 5, 0)
    assert outbox.put(b"another", 0)
    assert outbox.put_delta("c", _delta("m", 2, "ce"), 7, 0)
    another, text = outbox.take(ALL)
    assert another == b"another"
    assert text.startswith(b"c 7 ")
    assert json.loads(text[4:])["text"] == "once"
    assert (outbox.size, outbox.take(ALL)) == (0, [])


def test_pieces_that_do_not_follow_each_other_stay_apart() -> None:
    outbox = _outbox()
    for at, offset in ((0, 5), (9, 6)):
        assert outbox.put_delta("c", _delta("m", at, "on"), offset, 0)
    assert [frame.split(b" ", 2)[1] for frame in outbox.take(ALL)] == [b"5", b"6"]


def test_an_event_does_not_grow_without_bound() -> None:
    outbox, piece = _outbox(), "x" * 1000
    for number in range(40):
        assert outbox.put_delta("c", _delta("m", number * 1000, piece), number + 1, 0)
    frames = outbox.take(ALL)
    assert len(frames) == 3
    assert max(map(len, frames)) < MOST_JOINED + 200


def test_above_the_limit_nothing_more_is_kept() -> None:
    outbox = _outbox(limit=300)
    assert outbox.put_delta("c", _delta("m", 0, "x" * 100), 1, 0)
    assert not outbox.put_delta("c", _delta("m", 100, "x" * 100), 2, 100)
    assert outbox.put_delta("c", _delta("m", 100, "x" * 100), 2, 0)


_PIECES = st.lists(
    st.tuples(st.sampled_from(["one", "other"]), st.text(min_size=1, max_size=9), st.booleans()), max_size=60
)


@given(_PIECES)
def test_a_device_that_stands_still_at_any_time_renders_every_text(
    pieces: list[tuple[str, str, bool]],
) -> None:
    """With offsets that rise, in fewer frames than events: each text, from its pieces, in their order."""
    outbox, said, frames = _outbox(), {"one": "", "other": ""}, []
    for offset, (message, text, drains) in enumerate(pieces, 1):
        assert outbox.put_delta("c", _delta(message, _units(said[message]), text), offset, 0)
        said[message] += text
        if drains:
            frames += outbox.take(30)
    frames += outbox.take(ALL)
    heard, offsets = {"one": "", "other": ""}, []
    for frame in frames:
        _, offset, body = frame.split(b" ", 2)
        event = json.loads(body)
        assert event["at"] == _units(heard[event["message"]])
        heard[event["message"]] += event["text"]
        offsets.append(int(offset))
    assert heard == said
    assert offsets == sorted(set(offsets))
    assert outbox.size == 0


def test_the_hub_joins_for_who_is_slow_and_writes_piece_by_piece_to_the_others() -> None:
    slow, quick, audience, house = FakeWire(), FakeWire(), Audience(CHANNEL, 0), FakeHouse(outbox_bytes=9999)
    slow_device, quick_device = device_on(slow, house), device_on(quick, house)
    for device in (slow_device, quick_device):
        audience.admit(device, 0, 0)
        device.audiences.append(audience)
    slow_device.pause()
    for offset in range(1, 9):
        audience.show([Entry(offset, "d", _body("m", offset - 1, "x"))])
    assert len(quick.written) == 8
    slow_device.resume()
    assert slow.written == [publication_frame(CHANNEL.name, _body("m", 0, "x" * 8), 8)]
