import pytest

from services.conversation.core.retry import (
    POISONED,
    Again,
    Fault,
    FaultKind,
    GiveUp,
    Patience,
    after_fault,
    exhausted,
)

PATIENCE = Patience(attempts=5, first_s=1.0, longest_s=4.0)


def test_a_busy_model_is_asked_again_with_growing_pauses() -> None:
    busy = Fault(FaultKind.BUSY, "status 429")
    verdicts = [after_fault(busy, attempts, PATIENCE, noise=0.0) for attempts in (1, 2, 3)]
    assert verdicts == [Again(0.5), Again(1.0), Again(2.0)]


def test_noise_spreads_a_pause_between_half_and_all_of_it() -> None:
    busy = Fault(FaultKind.BUSY, "status 429")
    assert after_fault(busy, 1, PATIENCE, noise=0.999) == Again(pytest.approx(1.0, abs=0.01))


def test_pauses_do_not_grow_beyond_the_longest() -> None:
    patience = Patience(attempts=50, first_s=1.0, longest_s=3.0)
    assert after_fault(Fault(FaultKind.STORE, "x"), 4, patience, noise=1.0) == Again(3.0)


@pytest.mark.parametrize("kind", [FaultKind.REFUSED, FaultKind.BROKEN])
def test_what_would_fail_again_is_not_tried_again(kind: FaultKind) -> None:
    assert isinstance(after_fault(Fault(kind, "ValueError"), 1, PATIENCE, noise=0.5), GiveUp)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_of_fault_ends_with_a_reason_that_names_it(kind: FaultKind) -> None:
    verdict = after_fault(Fault(kind, "status 500"), PATIENCE.attempts, PATIENCE, noise=0.5)
    assert isinstance(verdict, GiveUp)
    assert "status 500" in verdict.reason
    assert f"tried {PATIENCE.attempts} times" in verdict.reason
    assert verdict.kind == kind


def test_a_turn_that_kills_its_workers_is_given_up() -> None:
    assert exhausted(5, PATIENCE) is None
    given_up = exhausted(6, PATIENCE)
    assert given_up is not None
    assert "gave up after 5 attempts" in given_up.reason
    assert given_up.kind == POISONED
