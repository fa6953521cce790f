"""The merge's rules one by one; the interleavings are in tests/property."""

from dataclasses import replace

import pytest

from services.connection.core import joining, merge
from services.connection.core.joining import JoinMerge
from services.connection.core.merge import ChannelMerge
from services.connection.core.showing import Move, Reset, Show
from services.shared.model.conversation import Entry, OpenMessage, Reading
from services.shared.model.ids import AgentName, AttemptId, MessageId, TurnId
from services.shared.model.position import Fork, Head, Position
from services.shared.wire.envelopes import LivePush

OLD, NEW = "a" * 40, "b" * 40
E1, E2 = OLD[:10] + ".x", NEW[:10] + ".x"


def _push(offset: int, epoch: str = E1) -> LivePush:
    return LivePush("e", Position(epoch, offset), b"%d" % offset)


def _entry(offset: int) -> Entry:
    return Entry(offset, "e", b"%d" % offset)


def _head(top: int, *, low: int = 0, fork: int = 0) -> Head:
    return Head(top, low, (Fork(E1, 1), Fork(E2, fork)) if fork else (Fork(E1, 1),))


def _reading(since: int, head: Head, *offsets: int, replid: str = OLD) -> Reading:
    return Reading(True, head, replid, "member", since, tuple(map(_entry, offsets)), ())


@pytest.fixture
def channel() -> ChannelMerge:
    """A channel that has shown five events of the first epoch."""
    made = ChannelMerge()
    made.start(_head(5))
    return made


def test_a_push_is_held_until_a_tick_that_began_later_is_confirmed(channel: ChannelMerge) -> None:
    assert channel.heard(_push(6), begun=3) == []
    assert channel.confirmed(3, OLD) == []
    assert channel.holding
    assert channel.held == 1
    assert channel.confirmed(4, OLD) == [Show(E1, (_entry(6),))]
    assert not channel.holding
    assert channel.held == 0


def test_a_tick_confirmed_under_another_replication_id_drops_what_is_held_and_reads_again(
    channel: ChannelMerge,
) -> None:
    channel.heard(_push(6), begun=0)
    assert channel.confirmed(1, NEW) == []
    assert channel.wants == 5
    assert not channel.holding


def test_with_acks_master_a_push_is_shown_at_once() -> None:
    channel = ChannelMerge(immediate=True)
    channel.start(_head(5))
    assert channel.heard(_push(6), begun=0) == [Show(E1, (_entry(6),))]


def test_a_repeat_is_dropped(channel: ChannelMerge) -> None:
    channel.heard(_push(6), begun=0)
    channel.heard(_push(6), begun=0)
    channel.heard(_push(2), begun=0)
    assert channel.confirmed(1, OLD) == [Show(E1, (_entry(6),))]


def test_a_hole_is_repaired_by_one_reading_and_what_came_meanwhile_follows(channel: ChannelMerge) -> None:
    channel.heard(_push(8), begun=0)
    assert channel.wants == 5
    channel.heard(_push(9), begun=0)
    channel.read(_reading(5, _head(8), 6, 7, 8), begun=0)
    assert channel.wants is None
    assert channel.confirmed(1, OLD) == [Show(E1, tuple(map(_entry, (6, 7, 8, 9))))]


def test_deltas_compacted_inside_a_reading_are_no_gap(channel: ChannelMerge) -> None:
    channel.compared(_head(9))
    channel.read(_reading(5, _head(9), 6), begun=0)
    assert channel.confirmed(1, OLD) == [Show(E1, (_entry(6),))]
    assert channel.shown == Position(E1, 9)
    assert channel.wants is None


def test_another_epoch_moves_the_channel_before_anything_of_it_is_shown(channel: ChannelMerge) -> None:
    channel.heard(_push(6, E2), begun=0)
    assert channel.wants == 5
    assert channel.read(_reading(5, _head(6, fork=6), 6, replid=NEW), begun=0) == []
    assert channel.confirmed(1, NEW) == [Move(Position(E2, 5)), Show(E2, (_entry(6),))]


def test_a_channel_shown_past_the_fork_is_reset_to_the_top() -> None:
    channel = ChannelMerge(immediate=True)
    channel.start(_head(5))
    channel.heard(_push(5, E2), begun=0)
    assert channel.read(_reading(5, _head(5, fork=5), replid=NEW), begun=0) == [Reset(Position(E2, 5))]


def test_a_channel_overtaken_by_retention_is_reset(channel: ChannelMerge) -> None:
    channel.compared(_head(20, low=12))
    channel.read(_reading(5, _head(20, low=12), 13, 20), begun=0)
    assert channel.confirmed(1, OLD) == [Reset(Position(E1, 20))]


def test_a_lower_top_is_read_again_and_is_only_old_under_the_master_of_the_epoch(
    channel: ChannelMerge,
) -> None:
    channel.compared(_head(4))
    assert channel.wants == 5
    channel.read(_reading(5, _head(4)), begun=0)
    assert (channel.wants, channel.holding) == (None, False)


def test_a_lower_top_under_a_later_master_takes_back_what_was_shown(channel: ChannelMerge) -> None:
    channel.compared(_head(4))
    channel.read(_reading(5, _head(4), replid=NEW), begun=0)
    assert channel.confirmed(1, NEW) == [Reset(Position(E1, 4))]
    assert channel.shown == Position(E1, 4)


def test_a_channel_below_trimmed_deltas_is_reset_only_while_a_message_is_unfinished(
    channel: ChannelMerge,
) -> None:
    head = replace(_head(20), low_delta=12)
    channel.compared(head)
    channel.read(_reading(5, head, 13, 20), begun=0)
    assert channel.confirmed(1, OLD) == [Show(E1, (_entry(13), _entry(20)))]
    overtaken = ChannelMerge(immediate=True)
    overtaken.start(_head(11))
    unfinished = OpenMessage(MessageId("m"), AgentName("a"), TurnId("t"), AttemptId("x"), "text", 4)
    reading = replace(_reading(11, head, 13, 20), open=(unfinished,))
    assert overtaken.read(reading, begun=0) == [Reset(Position(E1, 20))]
    following = ChannelMerge(immediate=True)
    following.start(_head(12))
    reading = replace(_reading(12, head, 13, 20), open=(unfinished,))
    assert following.read(reading, begun=0) == [Show(E1, (_entry(13), _entry(20)))]


def test_a_late_push_of_a_lost_master_costs_a_reading_and_changes_nothing(channel: ChannelMerge) -> None:
    channel.heard(_push(6, E2), begun=0)
    channel.read(_reading(5, _head(6, fork=6), 6, replid=NEW), begun=0)
    channel.confirmed(1, NEW)
    channel.heard(_push(6, E1), begun=1)
    channel.read(_reading(6, _head(6, fork=6), replid=NEW), begun=1)
    assert channel.confirmed(2, NEW) == []
    assert (channel.wants, channel.shown) == (None, Position(E2, 6))


def test_typing_passes_at_once_and_moves_no_position(channel: ChannelMerge) -> None:
    assert channel.heard(LivePush("t", None, b"{}"), begun=0) == [Show("", (Entry(0, "t", b"{}"),))]
    assert channel.shown == Position(E1, 5)


def test_beyond_the_limit_held_entries_are_dropped_and_read_after_the_next_tick(
    channel: ChannelMerge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "HELD_LIMIT", 2)
    for offset in (6, 7, 8, 9):
        channel.heard(_push(offset), begun=0)
    assert channel.holding
    assert channel.wants is None
    assert channel.confirmed(1, OLD) == []
    assert channel.wants == 5


def test_beyond_the_limit_what_is_heard_behind_a_hole_is_dropped_and_read_once_more(
    channel: ChannelMerge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "AHEAD_LIMIT", 2)
    for offset in (8, 9, 10, 11):
        channel.heard(_push(offset), begun=0)
    channel.read(_reading(5, _head(8), 6, 7, 8), begun=0)
    assert channel.wants == 5


def test_a_joiner_gets_what_was_shown_above_its_reading() -> None:
    joins = JoinMerge()
    joins.begin(Position(E1, 5))
    joins.show(Show(E1, tuple(map(_entry, (6, 7, 8)))))
    assert joins.answer(Position(E1, 7)) == (_entry(8),)


def test_a_joiner_whose_reading_is_older_than_the_buffer_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "RECENT_LIMIT", 2)
    joins = JoinMerge()
    joins.begin(None)
    assert joins.answer(Position(E1, 5)) is None
    joins.started(Position(E1, 5))
    assert joins.answer(Position(E1, 4)) is None
    joins.show(Show(E1, tuple(map(_entry, (6, 7, 8)))))
    assert joins.answer(Position(E1, 5)) is None
    assert joins.answer(Position(E1, 6)) == (_entry(7), _entry(8))


def test_a_joiner_whose_reading_is_of_another_epoch_reads_again() -> None:
    joins = JoinMerge()
    joins.begin(Position(E1, 5))
    joins.cross(Position(E2, 5))
    assert joins.answer(Position(E1, 5)) is None
    assert joins.answer(Position(E2, 5)) == ()


def test_nothing_is_kept_when_nobody_joins() -> None:
    joins = JoinMerge()
    joins.begin(Position(E1, 5))
    joins.show(Show(E1, (_entry(6),)))
    joins.end()
    joins.begin(Position(E1, 6))
    assert joins.answer(Position(E1, 6)) == ()
