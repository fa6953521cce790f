"""Control runs: with one protection of the merge switched off, the checker of the interleavings must catch
it.

Each control is a short sequence, found by a search and cut down to what it takes: a search that has to find
it again every time is slow, and may miss it one day without a word.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.connection.core import merge
from services.connection.core.joining import RECENT_LIMIT, JoinMerge
from services.connection.core.merge import ChannelMerge
from services.shared.model.conversation import Entry
from services.shared.model.position import Position, serves

sys.path.insert(0, str(Path(__file__).parent))
from test_merge_interleavings import Pod, PodThatShowsAtOnce  # tests are no package: so they share a machine

OTHER_EVENTS = "a device shows other events than there are"
BROKEN_TEXT = "a piece of text is missing or repeated"
MISJUDGED = "recovery was judged wrong"
NEVER_LIVE = "a device never came to live"
SHOWN_TOO_EARLY = "a device was shown something a failover could lose"


def _show_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ChannelMerge, "_settle", lambda self: self._let_go([self._held.popleft() for _ in list(self._held)])
    )


def _overlook_holes(patch: pytest.MonkeyPatch) -> None:
    def careless(self: ChannelMerge, push: object, position: Position) -> list[object]:
        self._hold_push(push, position, 10**9)  # type: ignore[arg-type]
        return []

    patch.setattr(ChannelMerge, "_heard_beyond_a_hole", careless)


def _never_compare(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChannelMerge, "compared", lambda *_: None)


def _forget_what_joiners_missed(patch: pytest.MonkeyPatch) -> None:
    honest = JoinMerge.answer
    patch.setattr(JoinMerge, "answer", lambda self, top: None if honest(self, top) is None else ())


def _answer_whatever_was_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        JoinMerge, "answer", lambda self, top: tuple(e for e in self._recent if e.offset > top.offset)
    )


def _answer_readings_of_another_epoch(patch: pytest.MonkeyPatch) -> None:
    honest = JoinMerge.answer

    def careless(self: JoinMerge, top: Position) -> tuple[Entry, ...] | None:
        return honest(self, replace(top, epoch=self._floor.epoch) if self._floor else top)

    patch.setattr(JoinMerge, "answer", careless)


def _overlook_trimmed_deltas(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "_leads_on", lambda reading, position: serves(reading.head, position))


def _keep_what_was_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChannelMerge, "_was_taken_back", lambda *_: False)


def a_failover_loses_what_was_just_heard(pod: Pod) -> None:
    pod.one_quiet_round()
    pod.somebody_says_something()
    pod.a_push_arrives()
    pod.the_master_dies()


def the_first_of_two_pushes_is_lost(pod: Pod) -> None:
    pod.one_quiet_round()
    pod.somebody_says_something()
    pod.somebody_says_something()
    pod.a_push_is_lost(which=0)


def the_last_push_is_lost(pod: Pod) -> None:
    pod.one_quiet_round()
    pod.somebody_says_something()
    pod.everything_published_is_lost()


def something_is_said_after_a_joiner_has_read(pod: Pod) -> None:
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.somebody_says_something()


def the_channel_is_reset_above_what_a_joiner_has_read(pod: Pod) -> None:
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.somebody_says_something()
    pod.somebody_says_something()
    pod.everything_published_is_lost()
    pod.retention_drops_old_entries(keep=1)


def a_joiner_has_read_before_more_is_said_than_is_kept_for_joiners(pod: Pod) -> None:
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    for _ in range(RECENT_LIMIT + 1):
        pod.somebody_says_something()


def a_joiner_is_confirmed_only_after_a_failover_took_the_channel_on(pod: Pod) -> None:
    pod.one_quiet_round()
    pod.a_device_leaves(i=0)
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.a_tick_begins()
    pod.a_tick_is_replicated()
    pod.somebody_says_something()
    pod.a_push_arrives()
    pod.the_master_dies()
    pod.somebody_says_something()
    pod.somebody_says_something()
    pod.a_push_arrives()
    pod.a_repair_reads(stale=False)
    pod.a_repair_arrives()
    pod.a_confirmation_arrives()


def the_channel_moves_to_a_new_epoch_after_a_joiner_has_read(pod: Pod) -> None:
    pod.a_device_begins_to_join(i=0)
    pod.the_master_dies()
    pod.a_joining_device_reads(i=0, stale=False)
    pod.somebody_says_something()
    pod.one_quiet_round()
    pod.the_master_dies()
    pod.somebody_says_something()


def deltas_of_an_open_message_are_lost_and_trimmed(pod: Pod) -> None:
    pod.an_agent_begins()
    pod.one_quiet_round()
    pod.an_agent_speaks(which=0, many=2)
    pod.retention_drops_old_entries(keep=1)
    pod.everything_published_is_lost()


def a_failover_takes_back_what_the_channel_began_at(pod: Pod) -> None:
    pod.somebody_says_something()
    pod.a_device_begins_to_join(i=0)
    pod.a_joining_device_reads(i=0, stale=False)
    pod.the_master_dies()


@dataclass(frozen=True, slots=True)
class Control:
    """`steps` pass on the whole merge, and end in `caught` when `switch_off` has been at work."""

    switch_off: Callable[[pytest.MonkeyPatch], None]
    steps: Callable[[Pod], None]
    caught: str
    machine: type[Pod] = Pod

    def run(self) -> None:
        pod = self.machine()
        pod.begin()
        self.steps(pod)
        pod.everything_settles()

    def __str__(self) -> str:
        return f"{self.switch_off.__name__.strip('_')}-{self.steps.__name__}"


CONTROLS = [
    Control(_show_at_once, a_failover_loses_what_was_just_heard, SHOWN_TOO_EARLY),
    Control(_overlook_holes, the_first_of_two_pushes_is_lost, OTHER_EVENTS),
    Control(_never_compare, the_last_push_is_lost, OTHER_EVENTS),
    Control(_forget_what_joiners_missed, something_is_said_after_a_joiner_has_read, OTHER_EVENTS),
    Control(_answer_whatever_was_read, the_channel_is_reset_above_what_a_joiner_has_read, OTHER_EVENTS),
    Control(
        _answer_whatever_was_read,
        a_joiner_has_read_before_more_is_said_than_is_kept_for_joiners,
        OTHER_EVENTS,
    ),
    Control(
        _answer_whatever_was_read,
        a_joiner_is_confirmed_only_after_a_failover_took_the_channel_on,
        OTHER_EVENTS,
        PodThatShowsAtOnce,
    ),
    Control(
        _answer_readings_of_another_epoch,
        the_channel_moves_to_a_new_epoch_after_a_joiner_has_read,
        MISJUDGED,
    ),
    Control(_overlook_trimmed_deltas, deltas_of_an_open_message_are_lost_and_trimmed, BROKEN_TEXT),
    Control(_keep_what_was_taken_back, a_failover_takes_back_what_the_channel_began_at, NEVER_LIVE),
]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_a_missing_protection_is_caught(control: Control) -> None:
    with pytest.MonkeyPatch.context() as patch:
        control.switch_off(patch)
        with pytest.raises(AssertionError, match=control.caught):
            control.run()


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_nothing_is_caught_where_no_protection_is_missing(control: Control) -> None:
    control.run()
