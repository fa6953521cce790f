"""An audience hands the same bytes to everybody, and to nobody what it has already."""

from services.connection.frames import text_frame
from services.connection.hub import Audience, frame_entry
from services.shared.model.conversation import Entry
from services.shared.model.ids import Channel
from tests.support.fake_wire import FakeHouse, FakeWire, device_on

CHANNEL = Channel.of_user("ann")


def _entry(offset: int, kind: str = "e") -> Entry:
    return Entry(offset, kind, b'{"n":%d}' % offset)


def _frames(*offsets: int) -> list[bytes]:
    return [frame_entry(CHANNEL, _entry(offset)) for offset in offsets]


def test_an_event_is_framed_once_for_all_devices() -> None:
    audience, wires = Audience(CHANNEL, 0), [FakeWire() for _ in range(3)]
    for wire in wires:
        audience.admit(device_on(wire, FakeHouse()), above=5, shown=5)
    assert audience.show([_entry(6)]) == 3
    assert wires[0].written == _frames(6)
    assert all(wire.written[0] is wires[0].written[0] for wire in wires)


def test_frames_shown_at_once_share_writes_up_to_the_bound() -> None:
    wire, size = FakeWire(), len(_frames(6)[0])
    audience = Audience(CHANNEL, 2 * size)
    audience.admit(device_on(wire, FakeHouse()), above=5, shown=5)
    audience.show([_entry(6), _entry(7), _entry(8)])
    assert wire.written == [b"".join(_frames(6, 7)), *_frames(8)]


def test_a_device_that_read_further_than_was_shown_gets_only_what_is_above() -> None:
    wire, audience = FakeWire(), Audience(CHANNEL, 0)
    audience.admit(device_on(wire, FakeHouse()), above=7, shown=5)
    audience.show([_entry(6)])
    audience.show([_entry(0, "t")])
    audience.show([_entry(7), _entry(8)])
    audience.show([_entry(9)])
    assert wire.written == [*_frames(0), *_frames(8), *_frames(9)]


def test_typing_between_does_not_end_the_wait_of_a_device_that_read_further() -> None:
    wire, audience = FakeWire(), Audience(CHANNEL, 0)
    audience.admit(device_on(wire, FakeHouse()), above=7, shown=5)
    audience.show([_entry(6), _entry(7)])
    audience.show([_entry(8)])
    assert wire.written == _frames(8)


def test_a_paused_device_keeps_the_order_through_its_outbox_while_others_go_on() -> None:
    slow, quick, audience = FakeWire(), FakeWire(), Audience(CHANNEL, 0)
    device = device_on(slow, FakeHouse())
    device.audiences.append(audience)
    audience.admit(device, above=5, shown=5)
    audience.admit(device_on(quick, FakeHouse()), above=5, shown=5)
    audience.show([_entry(6)])
    device.pause()
    audience.show([_entry(7)])
    assert (slow.written, quick.written) == (_frames(6), _frames(6, 7))
    device.resume()
    audience.show([_entry(8)])
    assert slow.written == quick.written == _frames(6, 7, 8)


def test_who_was_dismissed_hears_nothing_more() -> None:
    wire, audience = FakeWire(), Audience(CHANNEL, 0)
    device = device_on(wire, FakeHouse())
    audience.admit(device, above=5, shown=5)
    audience.dismiss(device)
    audience.dismiss(device)
    assert audience.show([_entry(6)]) == len(audience) == 0
    assert wire.written == []


def test_joins_and_leaves_are_pushes_of_their_own_kind() -> None:
    info = b'{"user":"bob","client":"c"}'
    assert b'"join":{"info":{"user":"bob"' in frame_entry(CHANNEL, Entry(0, "j", info))
    assert b'"leave":{"info":{"user":"bob"' in frame_entry(CHANNEL, Entry(0, "l", info))


def test_frame_headers_grow_with_the_payload() -> None:
    sizes = {size: text_frame(b"x" * size)[: -size or None] for size in (5, 125, 126, 65_535, 65_536)}
    assert sizes[5] == b"\x81\x05"
    assert sizes[125] == b"\x81\x7d"
    assert sizes[126] == b"\x81\x7e\x00\x7e"
    assert sizes[65_535] == b"\x81\x7e\xff\xff"
    assert sizes[65_536] == b"\x81\x7f" + (65_536).to_bytes(8, "big")


def test_a_device_that_one_burst_fills_gets_the_next_through_its_outbox() -> None:
    audience, house = Audience(CHANNEL, 0), FakeHouse()
    wire = FakeWire()
    device = device_on(wire, house)

    def write_and_fill(data: bytes) -> None:
        wire.written.append(data)
        device.pause()

    device.write = write_and_fill
    device.audiences.append(audience)
    audience.admit(device, above=5, shown=5)
    audience.show([_entry(6), _entry(7), _entry(8)])
    assert wire.written == _frames(6)
