import itertools

import pytest

from services.conversation.core import turn as core
from services.conversation.core.effects import (
    Finish,
    Leave,
    PauseGraph,
    ReadThread,
    RunGraph,
    SettleThread,
    StopGraph,
    TryAgain,
)
from services.conversation.core.happenings import (
    Begun,
    CancelAsked,
    DrainAsked,
    GraphEnded,
    GraphFailed,
    GraphPaused,
    GraphStopped,
    HandOverAsked,
    Happening,
    LeaseGone,
    ThreadRead,
)
from services.conversation.core.retry import Fault, FaultKind, Patience
from services.conversation.core.turn import Execution, State

BROKEN = GraphFailed(Fault(FaultKind.BROKEN, "ValueError"), noise=0.5)
BUSY = GraphFailed(Fault(FaultKind.BUSY, "status 429"), noise=0.5)


def after(*happenings: Happening) -> Execution:
    execution = Execution(Patience())
    for happening in happenings:
        execution.handle(happening)
    return execution


RUNNING = (Begun(1, cancelling=False), ThreadRead(entered=False, unfinished=False))


def test_the_thread_is_read_before_the_graph_runs() -> None:
    execution = Execution(Patience())
    assert execution.handle(Begun(1, cancelling=False)) == [ReadThread()]
    assert execution.handle(ThreadRead(entered=False, unfinished=False)) == [RunGraph(resume=False)]


def test_a_turn_that_stands_in_the_thread_is_gone_on_with() -> None:
    execution = after(Begun(2, cancelling=False))
    assert execution.handle(ThreadRead(entered=True, unfinished=True)) == [RunGraph(resume=True)]


WAITING = ThreadRead(entered=True, unfinished=True, waiting=True)


def test_a_thread_that_waits_for_a_person_is_not_run_to_ask_again() -> None:
    assert after(Begun(2, cancelling=False)).handle(WAITING) == [Finish("interrupted")]


def test_what_an_older_turn_waits_for_does_not_stop_a_new_one() -> None:
    read = ThreadRead(entered=False, unfinished=True, waiting=True)
    assert after(Begun(1, cancelling=False)).handle(read) == [RunGraph(resume=False)]


def test_an_answer_that_is_due_is_taken_to_the_thread() -> None:
    read = ThreadRead(entered=True, unfinished=True, waiting=True, due=True)
    assert after(Begun(2, cancelling=False)).handle(read) == [RunGraph(resume=True, answering=True)]


def test_an_answer_to_what_is_not_asked_fails() -> None:
    read = ThreadRead(entered=True, unfinished=True, waiting=True, void=True)
    [end] = after(Begun(1, cancelling=False)).handle(read)
    assert isinstance(end, Finish)
    assert (end.outcome, end.kind) == ("failed", "unasked")


def test_who_gives_up_still_asks_what_the_thread_waits_for() -> None:
    assert given_up().handle(WAITING) == [Finish("interrupted")]
    [end] = given_up().handle(ThreadRead(entered=True, unfinished=True, waiting=True, due=True))
    assert isinstance(end, Finish)
    assert end.outcome == "failed"


def test_a_turn_whose_graph_came_to_its_end_is_only_finished() -> None:
    execution = after(Begun(2, cancelling=False))
    assert execution.handle(ThreadRead(entered=True, unfinished=False)) == [Finish("completed")]


def test_a_thread_with_steps_left_of_another_turn_gets_this_turn_as_input() -> None:
    execution = after(Begun(1, cancelling=False))
    assert execution.handle(ThreadRead(entered=False, unfinished=True)) == [RunGraph(resume=False)]


def test_a_turn_whose_thread_has_gone_on_without_it_asks_anew() -> None:
    execution = after(Begun(1, cancelling=False))
    read = ThreadRead(entered=False, unfinished=False, passed=True)
    assert execution.handle(read) == [RunGraph(resume=False, anew=True)]


def given_up() -> Execution:
    """A turn that killed all its workers, at the look into its thread."""
    execution = Execution(Patience(attempts=2))
    assert execution.handle(Begun(3, cancelling=False)) == [ReadThread()]
    return execution


@pytest.mark.parametrize("look", [ThreadRead(entered=True, unfinished=True), BUSY])
def test_a_turn_that_killed_all_its_workers_fails_as_poisoned_and_does_not_run_again(look: Happening) -> None:
    [end] = given_up().handle(look)
    assert isinstance(end, Finish)
    assert (end.outcome, end.kind) == ("failed", "poisoned")


def test_a_turn_whose_last_worker_died_with_the_answer_stored_is_completed() -> None:
    assert given_up().handle(ThreadRead(entered=True, unfinished=False)) == [Finish("completed")]


def test_a_thread_that_kills_whoever_reads_it_is_not_read_again() -> None:
    [end] = Execution(Patience(attempts=2)).handle(Begun(4, cancelling=False))
    assert isinstance(end, Finish)
    assert (end.outcome, end.kind) == ("failed", "poisoned")


@pytest.mark.parametrize(("interrupted", "outcome"), [(False, "completed"), (True, "interrupted")])
def test_the_graphs_end_is_the_turns_end(interrupted: bool, outcome: str) -> None:
    assert after(*RUNNING).handle(GraphEnded(interrupted)) == [Finish(outcome)]  # type: ignore[arg-type]


def test_a_broken_graph_fails_the_turn_with_a_reason() -> None:
    [effect] = after(*RUNNING).handle(BROKEN)
    assert isinstance(effect, Finish)
    assert (effect.outcome, bool(effect.reason), effect.kind) == ("failed", True, "broken")


def test_a_passing_fault_makes_the_turn_begin_again() -> None:
    [effect] = after(*RUNNING).handle(BUSY)
    assert isinstance(effect, TryAgain)


@pytest.mark.parametrize("look", [ThreadRead(entered=False, unfinished=False), BUSY])
def test_a_turn_asked_to_stop_before_it_began_is_cancelled_after_a_look(look: Happening) -> None:
    execution = Execution(Patience())
    assert execution.handle(Begun(1, cancelling=True)) == [ReadThread()]
    unheard = isinstance(look, ThreadRead) and not look.heard
    assert execution.handle(look) == [Finish("cancelled", unheard=unheard)]


def test_a_turn_to_be_rolled_back_ends_without_a_look() -> None:
    assert Execution(Patience()).handle(Begun(1, cancelling=True, back=True)) == [Finish("cancelled")]


def test_a_thread_that_kills_whoever_reads_it_is_not_read_for_a_cancel_either() -> None:
    assert Execution(Patience(attempts=2)).handle(Begun(4, cancelling=True)) == [Finish("cancelled")]


def test_a_cancel_does_not_stop_the_look() -> None:
    execution = after(Begun(1, cancelling=False))
    assert execution.handle(CancelAsked()) == []
    assert execution.handle(ThreadRead(entered=True, unfinished=False, heard=True)) == [Finish("cancelled")]


@pytest.mark.parametrize("answer", [ThreadRead(entered=True, unfinished=False, heard=True), BROKEN])
def test_a_cancelled_turn_closes_the_step_its_thread_is_amid_of_and_nothing_keeps_it_from_that(
    answer: Happening,
) -> None:
    execution = after(Begun(1, cancelling=True))
    assert execution.handle(ThreadRead(entered=True, unfinished=True)) == [SettleThread()]
    for signal in (CancelAsked(), DrainAsked(), HandOverAsked()):
        assert execution.handle(signal) == []
    assert execution.handle(answer) == [Finish("cancelled")]


def test_a_turn_stopped_before_the_thread_had_its_messages_says_so() -> None:
    """Its first checkpoint is there, with the messages only on their way into the state."""
    execution = after(Begun(1, cancelling=True), ThreadRead(entered=True, unfinished=True))
    assert execution.handle(ThreadRead(entered=True, unfinished=False)) == [Finish("cancelled", unheard=True)]


def test_a_cancelled_turn_leaves_a_step_alone_that_is_another_turns() -> None:
    execution = after(Begun(1, cancelling=True))
    assert execution.handle(ThreadRead(entered=False, unfinished=True)) == [Finish("cancelled", unheard=True)]


@pytest.mark.parametrize("last", [GraphEnded(), BROKEN, BUSY])
def test_a_cancelled_graph_ends_as_cancelled_however_it_stops(last: Happening) -> None:
    execution = after(*RUNNING)
    assert execution.handle(CancelAsked()) == [StopGraph()]
    assert execution.handle(CancelAsked()) == []
    assert execution.handle(last) == []
    assert execution.handle(GraphStopped()) == [ReadThread()]
    assert execution.handle(ThreadRead(entered=True, unfinished=False, heard=True)) == [Finish("cancelled")]


def test_a_graph_that_was_stopped_may_have_stored_its_answer_so_the_thread_is_read() -> None:
    execution = after(*RUNNING, CancelAsked())
    assert execution.handle(GraphStopped()) == [ReadThread()]
    assert execution.handle(ThreadRead(entered=True, unfinished=False, heard=True)) == [Finish("cancelled")]


def test_a_graph_stopped_for_a_hand_over_is_left_without_an_end() -> None:
    execution = after(*RUNNING)
    assert execution.handle(HandOverAsked()) == [StopGraph()]
    assert execution.handle(GraphStopped()) == [Leave()]


def test_a_graph_that_ends_while_it_is_handed_over_is_finished_here() -> None:
    assert after(*RUNNING, HandOverAsked()).handle(GraphEnded()) == [Finish("completed")]


def test_a_cancel_during_a_hand_over_is_not_lost() -> None:
    execution = after(*RUNNING, HandOverAsked(), CancelAsked())
    assert execution.handle(GraphStopped()) == [ReadThread()]
    assert execution.handle(BUSY) == [Finish("cancelled")]


def test_a_graph_of_a_worker_that_ends_is_handed_over_whole_behind_its_step() -> None:
    execution = after(*RUNNING)
    assert execution.handle(DrainAsked()) == [PauseGraph()]
    assert execution.handle(DrainAsked()) == []
    assert execution.handle(GraphPaused()) == [Leave(whole=True)]


@pytest.mark.parametrize(("end", "outcome"), [(GraphEnded(), "completed"), (BROKEN, "failed")])
def test_a_graph_that_comes_to_its_end_first_is_finished_here(end: Happening, outcome: str) -> None:
    [effect] = after(*RUNNING, DrainAsked()).handle(end)
    assert isinstance(effect, Finish)
    assert effect.outcome == outcome


def test_a_step_that_is_not_done_by_the_deadline_is_cut() -> None:
    execution = after(*RUNNING, DrainAsked())
    assert execution.handle(HandOverAsked()) == [StopGraph()]
    assert execution.handle(GraphStopped()) == [Leave()]
    late = after(*RUNNING, DrainAsked(), HandOverAsked())
    assert late.handle(GraphPaused()) == [Leave(whole=True)]


def test_a_cancel_meanwhile_ends_the_turn_here() -> None:
    execution = after(*RUNNING, DrainAsked())
    assert execution.handle(CancelAsked()) == [StopGraph()]
    assert execution.handle(GraphPaused()) == []
    assert execution.handle(GraphStopped()) == [ReadThread()]


def test_a_turn_that_was_only_looked_at_is_left_at_once() -> None:
    assert Execution(Patience()).handle(DrainAsked()) == [Leave()]
    execution = after(Begun(1, cancelling=False))
    assert execution.handle(DrainAsked()) == [StopGraph()]
    assert execution.handle(GraphStopped()) == [Leave()]


def test_without_the_lease_nothing_is_written_any_more() -> None:
    execution = after(*RUNNING)
    assert execution.handle(LeaseGone()) == [StopGraph(), Leave()]
    assert execution.handle(GraphEnded()) == []


def test_what_cannot_happen_is_refused() -> None:
    with pytest.raises(ValueError, match="GraphEnded cannot happen while reading"):
        after(Begun(1, cancelling=False)).handle(GraphEnded())


def test_every_state_answers_every_happening_that_may_come_from_outside() -> None:
    for state, happening in itertools.product(
        State, (CancelAsked(), DrainAsked(), HandOverAsked(), LeaseGone())
    ):
        Execution(Patience(), state=state).handle(happening)


def test_an_execution_ends_at_most_once_whatever_happens_next() -> None:
    """Every order of four happenings after the start: one ending effect at most, and none after it."""
    endings = (core.Finish, core.TryAgain, core.Leave)
    alphabet: list[Happening] = [
        GraphEnded(),
        GraphStopped(),
        GraphPaused(),
        BUSY,
        CancelAsked(),
        DrainAsked(),
        HandOverAsked(),
        LeaseGone(),
    ]
    for order in itertools.product(alphabet, repeat=4):
        execution, ended = after(*RUNNING), 0
        for happening in order:
            if execution.state in {State.RUNNING, State.PAUSING} and isinstance(happening, GraphStopped):
                continue  # nobody stopped it
            if execution.state is State.RUNNING and isinstance(happening, GraphPaused):
                continue  # nobody asked it to
            ended += sum(isinstance(effect, endings) for effect in execution.handle(happening))
        assert ended <= 1
