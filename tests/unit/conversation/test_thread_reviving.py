"""Whatever can't be made of a checkpoint's records is told with thread and checkpoint."""

from dataclasses import replace
from typing import Any

import pytest

from services.conversation.graph.records import Reviving, config_of
from services.conversation.graph.serde import ThreadSerializer
from services.shared.model.errors import UnreadableCheckpoint
from services.shared.model.thread import Header, KeptCheckpoint, Kind, Outline, Place, Shared, Write

SERDE = ThreadSerializer()
PLACE = Place("talk.assistant", "", "1f0")
WHOLE = KeptCheckpoint(
    place=PLACE,
    header=Header(parent="", versions={"messages": "'1.a", "count": "2"}),
    body=SERDE.dumps_typed([{"v": 1, "id": "1f0"}, {"step": 1}]),
    values={"count": SERDE.dumps_typed(3)},
    writes=(),
)


def test_a_sound_checkpoint_is_revived() -> None:
    revived = Reviving(SERDE).tuple(WHOLE, config_of(PLACE))
    assert revived.checkpoint["channel_versions"] == {"messages": "1.a", "count": 2}
    assert revived.checkpoint["channel_values"] == {"count": 3}


@pytest.mark.parametrize(
    "damage",
    [
        {"body": SERDE.dumps_typed("a text")},
        {"body": SERDE.dumps_typed(["a text", {}])},
        {"body": ("msgpack", b"\xc1")},
        {"body": ("unheard of", b"")},
        {"header": Header(parent="", versions={"count": "no version"})},
        {"values": {"count": Shared(Kind.DICT, ((0, 1),), (SERDE.dumps_typed([{}, 1]),))}},
        {"values": {"count": Shared(Kind.LIST, ((0, 1),), (SERDE.dumps_typed([]),))}},
        {"writes": (Write("task", 0, "", "count", ("msgpack", b"")),)},
    ],
    ids=["text", "no mapping", "no msgpack", "form", "version", "key", "element", "write"],
)
def test_records_of_another_shape_are_unreadable_by_name(damage: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCheckpoint) as raised:
        Reviving(SERDE).tuple(replace(WHOLE, **damage), config_of(PLACE))
    assert (raised.value.thread, raised.value.checkpoint) == ("talk.assistant", "1f0")
    assert "a text" not in str(raised.value)


def test_metadata_of_another_shape_is_unreadable_by_name() -> None:
    outline = Outline(PLACE, WHOLE.header, SERDE.dumps_typed([{}, "a text"]))
    with pytest.raises(UnreadableCheckpoint, match="1f0"):
        Reviving(SERDE).metadata(outline)
