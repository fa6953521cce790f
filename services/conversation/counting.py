"""What metrics and log say of an attempt's beginning and end. Called by intake, inside its trail."""

from services.conversation.core.effects import Finish, Leave, TryAgain
from services.conversation.trail import Trail
from services.shared.model.turn import TurnState
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics

log = get_logger(__name__)


def count_begin(metrics: Metrics, clock: Clock, trail: Trail) -> None:
    """An attempt has begun."""
    turn = trail.turn
    metrics.turns_running.inc()
    metrics.turn_attempts.labels(attempt="first" if turn.attempts == 1 else "again").inc()
    if turn.attempts == 1 and turn.state is not TurnState.CANCELLING:
        waited_ms = clock.now_ms() - turn.queued_ms
        metrics.turn_wait_seconds.observe(max(0, waited_ms) / 1000, trail.exemplar)
    log.info("turn begun", turn=turn.id, attempt=turn.attempt, attempts=turn.attempts, agent=turn.agent)


def count_end(metrics: Metrics, trail: Trail, end: Finish | TryAgain | Leave, seconds: float) -> None:
    """It has ended, after so many seconds."""
    turn, outcome = trail.turn, word(end)
    if isinstance(end, Finish):
        metrics.turns.labels(outcome=outcome).inc()
        metrics.agent_turns.labels(agent=metrics.named(turn.agent), outcome=outcome).inc()
        if end.outcome == "failed":
            metrics.turns_failed.labels(kind=end.kind).inc()
    metrics.turn_seconds.labels(outcome=outcome).observe(seconds, trail.exemplar)
    facts = {"turn": turn.id, "attempt": turn.attempt, "outcome": outcome}
    match end:
        case Finish(reason=reason):
            log.info("turn finished", **facts, reason=reason)
        case TryAgain(reason=reason):
            log.info("turn to be tried again", **facts, reason=reason)
        case Leave():
            log.info("turn left", **facts)


def word(end: Finish | TryAgain | Leave) -> str:
    """How an attempt ended, in metrics, spans and logs."""
    return end.outcome if isinstance(end, Finish) else type(end).__name__.lower()
