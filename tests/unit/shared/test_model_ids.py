"""Ids and channels: what they look like and what is refused."""

import pytest

from services.shared.model.ids import Channel, ChannelKind, is_uuid, is_uuid7, made_ms, partition_of, uuid7


def test_a_uuid7_has_version_variant_and_its_milliseconds_in_front() -> None:
    made = uuid7(0x0123456789AB, bytes(range(10)))
    assert made.startswith("01234567-89ab-7")
    assert made[19] in "89ab"
    assert is_uuid(made)


def test_a_uuid7_tells_when_it_was_made_and_other_uuids_are_none() -> None:
    made = uuid7(0x0123456789AB, bytes(range(10)))
    assert is_uuid7(made)
    assert made_ms(made) == 0x0123456789AB
    for other in (made[:14] + "4" + made[15:], made[:19] + "c" + made[20:], made.upper(), ""):
        assert not is_uuid7(other)


def test_uuid7s_of_later_milliseconds_sort_later() -> None:
    assert uuid7(1000, b"\xff" * 10) < uuid7(1001, b"\x00" * 10)


def test_all_entropy_bits_that_fit_are_used() -> None:
    made = {uuid7(5, (1 << bit).to_bytes(10, "big")) for bit in range(74)}
    assert len(made) == 74


def test_a_uuid7_refuses_the_wrong_amount_of_entropy() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        uuid7(1, b"short")


@pytest.mark.parametrize("partitions", [1, 7, 64])
def test_a_partition_is_in_range_and_does_not_change(partitions: int) -> None:
    assert 0 <= partition_of("someone", partitions) < partitions
    assert partition_of("someone", 64) == 41


def test_channels_round_trip_through_their_names() -> None:
    conversation = Channel.of_conversation("01a2048b-876a-742a-9f41-44471b2d71eb")
    assert Channel.parse(conversation.name) == conversation
    assert Channel.parse("#ann") == Channel(ChannelKind.USER, "ann")


@pytest.mark.parametrize(
    "name", ["", "#", "#a b", "conversation:", "conversation:x", "conversation", "news:1", "#a,b"]
)
def test_names_of_nothing_are_not_channels(name: str) -> None:
    assert Channel.parse(name) is None
