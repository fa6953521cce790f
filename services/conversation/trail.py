"""One attempt's way, in spans and numbers: what worker, speaker and graph do is told here, by the one table.

Made by `trails` when an attempt has begun. The graph's room knows it as a `Watcher`. Nothing in here waits or
decides; a text, an argument or a token of access never comes here.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

from services.conversation.core.noteworthy import noteworthy
from services.conversation.core.overdue import Overdue
from services.conversation.graph.watch import Doing, Fact
from services.conversation.precedence import Start
from services.conversation.trail_parts import Instruments, ModelCall, Part, ThreadWrite, ToolCall
from services.shared.model.events import Keep, Outcome
from services.shared.model.ids import MessageId
from services.shared.model.thread import Place
from services.shared.model.turn import Turn
from services.shared.runtime.tracing import NOTHING, Span, Tracing, spans
from services.shared.runtime.tracing.names import SpanRow


@dataclass(slots=True)
class _Telling:
    """A message that is being said."""

    span: Span
    deltas: int = 0
    units: int = 0


@dataclass(slots=True, eq=False)
class Trail:
    """One attempt. Begun at `started_ns`; `links` are traceparents."""

    turn: Turn
    instruments: Instruments
    started_ns: int
    links: tuple[str, ...] = ()
    span: Span = NOTHING
    _about: dict[str, Fact] = field(default_factory=dict)
    _telling: dict[MessageId, _Telling] = field(default_factory=dict)
    _disturbed: bool = False
    _failovers: int = 0
    start: Start | None = None
    """What it holds up until it speaks."""
    overdue: Overdue = field(default_factory=lambda: Overdue(0, 0))
    """What it may still last."""

    def __post_init__(self) -> None:
        turn = self.turn
        self._failovers = self.instruments.failovers()
        self._about = about(turn)
        self.span = self._tracing.begin(
            spans.ATTEMPT,
            turn.trace,
            self.links,
            started_ns=self.started_ns,
            attempt=turn.attempt,
            number=turn.attempts,
            messages=len(turn.messages),
            agent=turn.agent,
            **self._about,
        )

    @property
    def _tracing(self) -> Tracing:
        return self.instruments.tracing

    @property
    def context(self) -> str:
        """The attempt's traceparent, or the message's where this process does not trace."""
        return self.span.traceparent or self.turn.trace

    @property
    def exemplar(self) -> dict[str, str] | None:
        """For histograms: the trace, where it is sampled."""
        return self.span.exemplar

    def inside(self) -> AbstractContextManager[Span]:
        """Make the attempt current: log lines and a graph's own spans join it."""
        return self._tracing.inside(self.span)

    # -- what the worker does

    def reading(self) -> Span:
        """The thread is read: a block."""
        return self._tracing.span(spans.READ_THREAD, self.span.traceparent, (), **self._about)

    def read(self, reading: Span, at: Place, outcome: str, waited: str) -> None:
        """Where it stands. waited: traceparent of another turn, after which it waits for a person."""
        reading.set(thread=at.thread, checkpoint=at.id or None, outcome=outcome)
        self.span.set(thread=at.thread)
        self.span.link(waited)

    def finishing(self, outcome: Outcome, kept: str) -> Span:
        """The turn is given its end: a block."""
        return self._tracing.span(
            spans.FINISH,
            self.span.traceparent,
            (),
            attempt=self.turn.attempt,
            outcome=outcome,
            kept=kept or None,
            **self._about,
        )

    def noteworthy(self, outcome: Outcome) -> Keep | Literal[""]:
        """Why the turn's trace is to be kept, if it ends so now."""
        return noteworthy(
            outcome,
            tries=self.turn.attempts - self.turn.handed_over,
            disturbed=self._disturbed or self.instruments.failovers() != self._failovers,
            waited_s=(self.instruments.clock.now_ms() - self.turn.queued_ms) / 1000,
            slow_s=self.instruments.slow_s,
        )

    def disturbed(self) -> None:
        """Something was lost and mended."""
        self._disturbed = True

    def keep(self, why: str) -> None:
        """Keep the trace in this process."""
        if why:
            self.span.set(kept=why)
            self._tracing.keep(self.context, why)

    def end(self, outcome: str, error: str = "", ended_ns: int = 0) -> None:
        """The attempt is over, now or since a time."""
        self.hush()
        self.span.set(outcome=outcome)
        if error:
            self.span.fail(error)
        self.span.end(ended_ns)

    def drop(self) -> None:
        """It is another worker's to tell: the lease is gone, or will be."""
        self.hush()
        self.keep("fault")
        self.span.drop()

    def heard(self) -> None:
        """The graph gave a sign of life."""
        self.overdue.heard = self.instruments.clock.monotonic()

    # -- what the speaker says

    def begins(self, message: MessageId) -> None:
        """A message begins. Once more changes nothing."""
        if self.start:
            self.start.leave()
        if message not in self._telling:
            self._telling[message] = _Telling(
                self._begin(
                    spans.PUBLISH, None, message=message, attempt=self.turn.attempt, agent=self.turn.agent
                )
            )

    def spoke(self, message: MessageId, units: int) -> None:
        """A delta of it stands in the journal."""
        if telling := self._telling.get(message):
            self.heard()
            telling.deltas += 1
            telling.units += units

    def said(self, message: MessageId, outcome: str) -> None:
        """It is completed or retracted."""
        if telling := self._telling.pop(message, None):
            telling.span.set(deltas=telling.deltas, units=telling.units, outcome=outcome)
            telling.span.end()

    def hush(self, outcome: str = "left") -> None:
        """Nothing more is said by this attempt. outcome: of what it did not complete."""
        for message in list(self._telling):
            self.said(message, outcome)

    # -- what the graph does

    def node(self, name: str, step: int, within: Doing | None) -> Part:
        if self.start:
            self.start.elsewhere()
        return Part(spans.NODE, self._begin(spans.NODE, within, node=name, step=step), self.heard)

    def model(self, name: str, provider: str, within: Doing | None) -> ModelCall:
        if self.start:
            self.start.elsewhere()
        span = self._begin(spans.CHAT, within, model=name, provider=provider or None)
        return ModelCall(span, self.instruments, name, self.heard)

    def tool(self, name: str, call: str, within: Doing | None) -> ToolCall:
        if self.start:
            self.start.elsewhere()
        span = self._begin(spans.TOOL, within, tool=name, call=call or None)
        return ToolCall(span, self.instruments, name, self.overdue)

    def write(self, thread: str, checkpoint: str, size: int, writes: int) -> ThreadWrite:
        span = self._begin(
            spans.WRITE_THREAD, None, thread=thread, checkpoint=checkpoint, bytes=size, writes=writes
        )
        kind = "writes" if writes else "checkpoint"
        return ThreadWrite(span, self.instruments.metrics, kind, size, self.heard)

    def _begin(self, row: SpanRow, within: Doing | None, **facts: Fact) -> Span:
        above = within.span if isinstance(within, Part) else self.span
        said = {**self._about, **facts}
        return self._tracing.begin(row, above.traceparent, (), started_ns=0, **said)


def about(turn: Turn) -> dict[str, Fact]:
    """What every span of a turn says of itself."""
    message = turn.messages[0].id if turn.messages else None
    return {"conversation": turn.conversation, "message": message, "turn": turn.id}
