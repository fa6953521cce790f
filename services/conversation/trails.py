"""The attempts that one lease saw: when each one's span ends, and who tells it.

Made by intake for each lease it takes. A span may leave the process only when no other worker can come to
tell it, too: an attempt that is to be begun again, or handed over, stays open until that has happened. Where
the lease goes another way, the next worker finds the attempt in the turn's record, and tells it as dead.
"""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from services.conversation.core.effects import Finish, Leave, TryAgain
from services.conversation.trail import Trail, about
from services.conversation.trail_parts import Instruments
from services.shared.model.ids import AttemptId
from services.shared.model.turn import Turn
from services.shared.runtime.tracing import is_sampled, of_attempt, spans, trace_id

MS_NS = 1_000_000
SECOND = 2
LOST = "worker lost"
"""What is said of an attempt whose worker told nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """How the lease was come by. asked_ns, got_ns: nanoseconds since 1970. takeover: another's silence was
    how it was found.
    """

    asked_ns: int
    got_ns: int
    partition: int
    takeover: bool


@dataclass(slots=True, eq=False)
class Trails:
    """A block: left in order, the last attempt was handed over or finished; by an exception, it is
    another's.
    """

    instruments: Instruments
    claim: Claim | None
    _last: Trail | None = None
    _outcome: str = ""
    _error: str = ""
    _ended_ns: int = 0
    _ours: set[AttemptId] = field(default_factory=set)
    """Attempts that are told here."""

    def begun(self, turn: Turn, started_ns: int) -> Trail:
        """An attempt has begun; the one before it, if it was begun here, is over."""
        self._end_last()
        links = (*self._before(turn), *_others(turn))
        self._last = trail = Trail(turn, self.instruments, started_ns, links)
        self._ours.add(turn.attempt)
        self._tell_way(trail)
        return trail

    def ended(self, end: Finish | TryAgain | Leave, outcome: str) -> None:
        """The last attempt has come to an end. Finished, it is over: nobody begins it again."""
        self._outcome, self._error, self._ended_ns = outcome, _error(end), self.instruments.clock.now_ns()
        if isinstance(end, Finish):
            self._end_last()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if kind is None:
            self._end_last()
        elif self._last is not None:
            self._last.drop()
            self._last = None

    def _end_last(self) -> None:
        if self._last is not None:
            self._last.end(self._outcome, self._error, self._ended_ns)
            self._last = None

    def _before(self, turn: Turn) -> tuple[str, ...]:
        """Tell the attempt before this one where nobody else can, and return its traceparent."""
        if turn.before is None:
            return ()
        if turn.trace and not turn.before_handed_over and turn.before not in self._ours:
            self._ours.add(turn.before)
            self._tell_dead(turn, turn.before)
        return (of_attempt(turn.trace, turn.before),)

    def _tell_dead(self, turn: Turn, before: AttemptId) -> None:
        dead = self.instruments.tracing.begin(
            spans.ATTEMPT,
            turn.trace,
            (),
            started_ns=turn.before_started_ms * MS_NS,
            attempt=before,
            number=turn.attempts - 1,
            messages=len(turn.messages),
            agent=turn.agent,
            **about(turn),
        )
        dead.fail(LOST)
        dead.end()
        if turn.attempts == SECOND and not is_sampled(turn.trace):
            # A sampled one left the dead process within half a second; any other one died with it.
            self._tell_wait(turn, turn.before_started_ms * MS_NS)

    def _tell_way(self, trail: Trail) -> None:
        """How the turn came here: its wait, once, and the claim that ended it."""
        turn, claim = trail.turn, self.claim
        if turn.attempts == 1:
            self._tell_wait(turn, claim.got_ns if claim else trail.started_ns, trail.context)
        if claim is not None:
            self.claim = None
            partition = str(claim.partition)
            told = self.instruments.tracing.begin(
                spans.CLAIM,
                turn.trace or trail.context,
                (),
                started_ns=claim.asked_ns,
                takeover=claim.takeover,
                partition=partition,
                **about(turn),
            )
            told.end(claim.got_ns)

    def _tell_wait(self, turn: Turn, until_ns: int, context: str = "") -> None:
        """`context`: what it belongs to where the message has no trace."""
        begin, queued_ns = self.instruments.tracing.begin, turn.queued_ms * MS_NS
        parent = turn.trace or context
        begin(spans.WAIT, parent, (), started_ns=queued_ns, agent=turn.agent, **about(turn)).end(until_ns)


def _others(turn: Turn) -> tuple[str, ...]:
    """What a turn links to: the traces of the further messages that it answers."""
    own = trace_id(turn.trace)
    return tuple(each for each in turn.further if trace_id(each) != own)


def _error(end: Finish | TryAgain | Leave) -> str:
    """Why an attempt failed, in one word: a kind of fault."""
    if isinstance(end, Finish):
        return end.kind
    return end.reason.partition(":")[0] if isinstance(end, TryAgain) else ""
