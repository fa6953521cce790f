"""A device performs its session's effects in order, and is closed rather than waited for."""

from services.connection.core.effects import Close, GoLive, Leave, Write
from services.connection.core.events import Dismissed, FrameReceived, Moved, TimePassed
from services.connection.frames import text_frame
from services.connection.hub import Audience
from services.shared.model.ids import Channel
from services.shared.model.position import Position
from services.shared.wire.codes import Disconnect
from tests.support.fake_wire import FakeHouse, FakeWire, device_on

CHANNEL = Channel.of_user("ann")
FRAME = FrameReceived(b"")


def test_a_reply_what_the_channel_kept_and_a_later_push_leave_in_this_order() -> None:
    wire, house = FakeWire(), FakeHouse()
    house.owed = b"<kept>"
    device = device_on(wire, house, FrameReceived=[Write(b"reply"), GoLive(CHANNEL), Write(b"push")])
    device.feed(FRAME)
    assert wire.written == [text_frame(b"reply"), b"<kept>", text_frame(b"push")]


def test_neighbouring_replies_share_a_frame() -> None:
    wire = FakeWire()
    device_on(wire, FakeHouse(), FrameReceived=[Write(b"one"), Write(b"two")]).feed(FRAME)
    assert wire.written == [text_frame(b"one\ntwo")]


def test_what_happens_while_effects_are_performed_waits_for_its_turn() -> None:
    wire, house = FakeWire(), FakeHouse()
    device = device_on(
        wire, house, FrameReceived=[GoLive(CHANNEL), Write(b"first")], Moved=[Write(b"second")]
    )

    def moves(_: object, __: Channel) -> bytes:
        device.feed(Moved(CHANNEL, Position("e", 1)))
        return b""

    house.go_live = moves  # type: ignore[method-assign, assignment]
    device.feed(FRAME)
    assert wire.written == [text_frame(b"first"), text_frame(b"second")]


def test_while_the_transport_is_full_frames_wait_in_order() -> None:
    wire = FakeWire()
    device = device_on(wire, FakeHouse())
    device.pause()
    device.send(b"a" * 60)
    device.send(b"b" * 60)
    assert wire.written == []
    device.resume()
    assert wire.written == [b"a" * 60, b"b" * 60]


def test_all_that_waits_is_handed_on_before_a_close_also_what_a_long_recovery_made_room_for() -> None:
    """It may be more than the outbox's bound, where the transport was full of a recovery: nothing is lost."""
    wire, house = FakeWire(), FakeHouse(outbox_bytes=100)
    device = device_on(wire, house)
    wire.held = 1000
    device.pause()
    device.send(b"0" * 60)
    wire.held = 0
    for number in b"123456789":
        device.send(bytes([number]) * 60)
    device.part(Disconnect.SHUTDOWN)
    assert wire.written == [bytes([number]) * 60 for number in b"0123456789"]
    assert wire.closed == (3001, "shutdown")


def test_a_device_above_its_bound_is_closed_as_slow_and_gets_nothing_more() -> None:
    wire, house = FakeWire(), FakeHouse(outbox_bytes=100)
    device = device_on(wire, house)
    device.pause()
    device.send(b"x" * 90)
    device.send(b"y" * 20)
    assert (wire.closed, wire.written) == ((3008, "slow"), [])
    device.send(b"z")
    assert (wire.written, house.over) == ([], [Disconnect.SLOW])


def test_a_long_recovery_does_not_count_as_slowness() -> None:
    wire = FakeWire()
    wire.held = 5000
    device = device_on(wire, FakeHouse(outbox_bytes=100))
    device.pause()
    device.send(b"x" * 90)
    assert wire.closed is None


def test_an_ordinary_end_sends_what_is_owed_first() -> None:
    wire = FakeWire()
    device = device_on(wire, FakeHouse())
    device.pause()
    device.send(b"owed")
    device.feed(Dismissed(Disconnect.SHUTDOWN))
    assert (wire.written, wire.closed) == ([b"owed"], (3001, "shutdown"))


def test_the_end_lets_go_of_every_channel_once() -> None:
    wire, house = FakeWire(), FakeHouse()
    device = device_on(wire, house)
    device.audiences.append(Audience(CHANNEL, 0))
    device.joining = [Channel.of_user("bob")]
    device.lost()
    device.lost()
    assert (house.left, house.over) == ([CHANNEL, Channel.of_user("bob")], [Disconnect.CLOSED])


def test_a_fault_of_ours_ends_this_device_only() -> None:
    """An effect cannot be performed; the caller, who serves others, does not notice."""
    wire, house = FakeWire(), FakeHouse()
    house.leave = None  # type: ignore[assignment]
    device_on(wire, house, TimePassed=[Leave(CHANNEL), Close(Disconnect.STALE)]).feed(TimePassed())
    assert wire.closed == (3004, "internal server error")
