"""Control runs: with one protection of retention switched off, the checker of the property tests must catch
it.

Each control is a thread made by hand, as short as it takes: a search that has to find it again every time is
slow, and may miss it one day without a word.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.conversation.core import retention
from services.shared.model.thread import Header, Run, Survey

sys.path.insert(0, str(Path(__file__).parent))
# Tests are no package: so they share the thread and its checker.
from test_thread_retention import LASTING, ROOT, Thread, check_pruned, check_without

GONE = "a checkpoint that was to stay is gone"
MISREAD = "a checkpoint reads otherwise"
ANCESTOR_GONE = "an ancestor that a DeltaChannel is made from is gone"
NO_REASON = "a checkpoint is left without a reason"
WRITES_LEFT = "writes are left whose checkpoint will not come"
WRITES_OUTLIVE = "writes outlive their checkpoint"
WRITES_GONE = "writes are gone whose checkpoint may come"
VALUE_LEFT = "a value is left that nothing refers to"
GONE_TWICE = "an element goes twice"
ELEMENT_LEFT = "an element is left that no value has"


# What is switched off.


def _forget_delta_ancestors(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_with_history", lambda _space, _headers, chosen, _survey: set(chosen))


def _stop_at_the_parent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_has_value", lambda *_: True)


def _never_stop_at_a_value(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_has_value", lambda *_: False)


def _take_a_named_version_for_a_value(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_has_value", lambda _survey, _space, channel, versions: channel in versions)


def _forget_origins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_origins", lambda *_: set())


def _forget_forks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_BRANCHING", ())


def _forget_branches(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "pairwise", lambda _: ())


def _keep_every_parent(patch: pytest.MonkeyPatch) -> None:
    def careless(headers: Mapping[str, Header], keep: int) -> set[str]:
        return {headers[id_].parent for id_ in list(headers)[-keep:]} & headers.keys()

    patch.setattr(retention, "_origins", careless)


def _forget_what_replays_begin_with(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_begun_with_again", lambda *_: set())


def _treat_tasks_as_lasting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_of_one_task", lambda _: False)


def _treat_lasting_as_tasks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_of_one_task", bool)


def _look_at_the_root_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_around", lambda _, header: list(header.above.items())[:1])


def _expect_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_may_come", lambda *_: False)


def _expect_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_may_come", lambda *_: True)


def _keep_all_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_writes_stay", lambda *_: True)


def _drop_all_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_writes_stay", lambda *_: False)


def _keep_all_values(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_unnamed_values", lambda *_: set())


def _drop_values_of_the_past(patch: pytest.MonkeyPatch) -> None:
    honest = retention._unnamed_values

    def careless(survey: Survey, staying: retention.Staying) -> set[tuple[str, str, str]]:
        old = {value for value in survey.values if value[2] not in staying[value[0]]}
        return honest(survey, staying) | old

    patch.setattr(retention, "_unnamed_values", careless)


def _overlook_who_else_has_an_element(patch: pytest.MonkeyPatch) -> None:
    honest = retention._difference
    patch.setattr(retention, "_difference", lambda runs, _: honest(runs, ()))


def _free_whole_runs_alone(patch: pytest.MonkeyPatch) -> None:
    def careless(runs: Iterable[Run], others: Iterable[Run]) -> list[Run]:
        return sorted(set(runs) - set(others))

    patch.setattr(retention, "_difference", careless)


def _free_no_elements(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_difference", lambda *_: ())


# What has happened to the thread.


def a_few_steps(thread: Thread) -> None:
    for _ in range(4):
        thread.step()


def a_list_is_edited(thread: Thread) -> None:
    for edit in ("append", "append", "append", "replace", "nothing", "nothing"):
        thread.step(edit=edit, at=1)


def an_element_is_removed_from_the_middle(thread: Thread) -> None:
    for edit in ("append", "append", "append", "remove", "nothing"):
        thread.step(edit=edit, at=1)


def a_channel_of_deltas_took_a_snapshot_long_ago(thread: Thread) -> None:
    thread.step()
    thread.step(snapshots=thread.deltas)
    for _ in range(4):
        thread.step()


def a_channel_of_deltas_took_a_snapshot_at_a_checkpoint_that_is_given_up(thread: Thread) -> None:
    a_channel_of_deltas_took_a_snapshot_long_ago(thread)


def a_channel_of_deltas_was_of_no_interest_for_a_step(thread: Thread) -> None:
    thread.step()
    thread.step(snapshots=thread.deltas)
    thread.step()
    thread.step(aware=False)
    thread.step()


def two_channels_of_deltas_took_snapshots_apart(thread: Thread) -> None:
    thread.step(snapshots=("log", "notes"))
    thread.step(snapshots=("log",))
    thread.step(snapshots=("notes",))
    for _ in range(2):
        thread.step()


def somebody_forks_an_old_checkpoint(thread: Thread) -> None:
    a_few_steps(thread)
    thread.step(after="00001", source="fork")


def somebody_asks_again_at_an_old_checkpoint(thread: Thread) -> None:
    a_few_steps(thread)
    thread.step(after="00001", source="input")


def a_subgraph_remembers_more_often_than_the_root_steps(thread: Thread) -> None:
    for _ in range(3):
        root = thread.step()
        for _ in range(4):
            thread.step(LASTING, above={ROOT: root})


def a_lasting_subgraph_was_forked_from_before_its_parent(thread: Thread) -> None:
    first = thread.step()
    thread.step(LASTING, above={ROOT: first})
    second = thread.step()
    for _ in range(3):
        thread.step(LASTING, above={ROOT: second})
    thread.step(after=first)
    thread.step(after=second, source="fork")


def a_subgraph_does_a_task_at_each_step(thread: Thread) -> None:
    for _ in range(3):
        root = thread.step()
        for _ in range(4):
            thread.step(f"work:{root}", above={ROOT: root})


def a_lasting_subgraph_has_tasks_of_its_own(thread: Thread) -> None:
    root = thread.step()
    for _ in range(4):
        memory = thread.step(LASTING, above={ROOT: root})
        thread.step(f"{LASTING}|deep:{memory}", above={ROOT: root, LASTING: memory})


def writes_overtake_their_checkpoint(thread: Thread) -> None:
    a_few_steps(thread)
    thread.write(ROOT, thread.new_id())


def a_task_overtakes_its_step(thread: Thread) -> None:
    a_few_steps(thread)
    step = thread.new_id()
    thread.step(f"work:{step}", above={ROOT: step})


def a_worker_dies_between_writes_and_their_checkpoint(thread: Thread) -> None:
    thread.step()
    thread.write(ROOT, thread.new_id())
    thread.step()


def a_task_waits_for_somebodys_answer(thread: Thread) -> None:
    a_few_steps(thread)
    root = thread.ids(ROOT)[-1]
    asking = thread.step(f"work:{root}", above={ROOT: root})
    thread.write(f"work:{root}", asking)
    thread.write(ROOT, root)


def something_was_asked_long_ago(thread: Thread) -> None:
    thread.write(ROOT, thread.step())
    a_few_steps(thread)


@dataclass(frozen=True, slots=True)
class Control:
    """What `happens` is pruned well by the whole policy, and ends in `caught` once `switch_off` has been at
    work. keep: checkpoints of each lasting space. given_up: of the root, where some are deleted instead.
    """

    switch_off: Callable[[pytest.MonkeyPatch], None]
    happens: Callable[[Thread], None]
    caught: str
    deltas: tuple[str, ...] = ()
    keep: int = 2
    given_up: tuple[str, ...] = ()

    def run(self) -> None:
        thread = Thread(self.deltas)
        self.happens(thread)
        if self.given_up:
            check_without(thread, {(ROOT, id_) for id_ in self.given_up})
        else:
            check_pruned(thread, self.keep)

    def __str__(self) -> str:
        return f"{self.switch_off.__name__.strip('_')}-{self.happens.__name__}"


LOG, BOTH = ("log",), ("log", "notes")
CONTROLS = [
    Control(_forget_delta_ancestors, a_channel_of_deltas_took_a_snapshot_long_ago, MISREAD, LOG),
    Control(
        _forget_delta_ancestors,
        a_channel_of_deltas_took_a_snapshot_at_a_checkpoint_that_is_given_up,
        MISREAD,
        LOG,
        given_up=("00002", "00003"),
    ),
    Control(_forget_delta_ancestors, two_channels_of_deltas_took_snapshots_apart, MISREAD, BOTH),
    Control(_stop_at_the_parent, a_channel_of_deltas_was_of_no_interest_for_a_step, MISREAD, LOG, keep=1),
    Control(
        _take_a_named_version_for_a_value,
        a_channel_of_deltas_was_of_no_interest_for_a_step,
        MISREAD,
        LOG,
        keep=1,
    ),
    Control(_never_stop_at_a_value, a_channel_of_deltas_took_a_snapshot_long_ago, NO_REASON, LOG),
    Control(_forget_origins, somebody_forks_an_old_checkpoint, GONE),
    Control(_forget_forks, somebody_forks_an_old_checkpoint, GONE, keep=1),
    Control(_forget_origins, somebody_asks_again_at_an_old_checkpoint, GONE),
    Control(_forget_branches, somebody_asks_again_at_an_old_checkpoint, GONE),
    Control(_keep_every_parent, a_few_steps, NO_REASON),
    Control(
        _forget_what_replays_begin_with, a_subgraph_remembers_more_often_than_the_root_steps, GONE, keep=3
    ),
    Control(_forget_forks, a_lasting_subgraph_was_forked_from_before_its_parent, GONE, keep=1),
    Control(_treat_tasks_as_lasting, a_subgraph_does_a_task_at_each_step, GONE),
    Control(_treat_lasting_as_tasks, a_subgraph_remembers_more_often_than_the_root_steps, GONE, keep=1),
    Control(_look_at_the_root_alone, a_lasting_subgraph_has_tasks_of_its_own, NO_REASON),
    Control(_expect_nothing, writes_overtake_their_checkpoint, WRITES_GONE),
    Control(_expect_nothing, a_task_overtakes_its_step, GONE),
    Control(_expect_everything, a_worker_dies_between_writes_and_their_checkpoint, WRITES_LEFT),
    Control(_keep_all_writes, something_was_asked_long_ago, WRITES_OUTLIVE),
    Control(_drop_all_writes, a_task_waits_for_somebodys_answer, MISREAD),
    Control(_keep_all_values, a_list_is_edited, VALUE_LEFT),
    Control(_drop_values_of_the_past, a_list_is_edited, MISREAD),
    Control(_overlook_who_else_has_an_element, a_list_is_edited, MISREAD),
    Control(_free_whole_runs_alone, an_element_is_removed_from_the_middle, GONE_TWICE),
    Control(_free_no_elements, a_list_is_edited, ELEMENT_LEFT),
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
