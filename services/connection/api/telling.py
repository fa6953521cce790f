"""What is told of requests: metrics, spans, the audit log, messages that were sent.

Called by answering.py, one `Told` for each request. Must never take what a back end wrote for an id, nor for
a label.
"""

import re
from contextlib import AbstractContextManager

import msgspec

from services.connection.api.operations import Operation
from services.connection.api.problems import Problem
from services.connection.api.requests import Actor
from services.connection.auditing import Auditing
from services.connection.sends import count_send
from services.shared.model.audit import Action, AuditEntry
from services.shared.model.ids import is_uuid7
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import OTHER, Metrics
from services.shared.runtime.tracing import NOTHING, Span, Tracing, spans

NS = 1_000_000_000
SENDS = "conversation.send"
DENIED = (401, 403)

_INTERRUPT = re.compile(r"[0-9a-f]{32}")


class _Said(msgspec.Struct):
    """What arguments say of themselves, before they are judged."""

    traceparent: str = ""
    id: str = ""
    interrupt: str = ""


_said = msgspec.json.Decoder(_Said)


class Telling:
    """Tells of the requests of a process."""

    def __init__(self, tracing: Tracing, metrics: Metrics, auditing: Auditing | None, clock: Clock) -> None:
        """`auditing`: None while there is no audit log."""
        self.tracing = tracing
        self.metrics = metrics
        self.auditing = auditing
        self.clock = clock

    def begin(self, operation: Operation | None) -> "Told":
        """A request came; None: of a route there is none of."""
        return Told(self, operation)

    def inside(self, span: Span) -> AbstractContextManager[Span]:
        """Have what is done belong to this span."""
        return self.tracing.inside(span)


class Told:
    """What is told of one request."""

    def __init__(self, telling: Telling, operation: Operation | None) -> None:
        self._telling = telling
        self._operation = operation
        self._began = self._doing = telling.clock.monotonic()
        self._key = self._user = self._conversation = ""
        self._span: Span = NOTHING
        self._code = 0
        self._does = False

    def comes_from(self, key: str) -> None:
        """Whose key it is is known."""
        self._key = key

    def acts(self, actor: Actor) -> None:
        """Who acts is known."""
        self._user = actor.user

    def does(self, data: bytes, conversation: str, traceparent: str) -> Span:
        """It is whole, and is done now: its span begins, as of its arrival. The header's trace goes before
        that of the arguments, which is the same field as devices'.
        """
        self._does, self._doing, self._conversation = True, self._telling.clock.monotonic(), conversation
        tracing, operation = self._telling.tracing, self._operation
        if not tracing.on or operation is None:
            return NOTHING
        said = _read(data)
        parent, links = tracing.of_client(traceparent or said.traceparent)
        sends, message = operation.name == SENDS, said.id.lower()
        self._span = tracing.begin(
            spans.REQUEST,
            parent,
            links,
            started_ns=self._when(self._began),
            method=operation.verb,
            route=operation.path,
            connection=self._actor.service,
            conversation=conversation or None,
            message=message if sends and is_uuid7(message) else None,
            interrupt=said.interrupt if _INTERRUPT.fullmatch(said.interrupt) else None,
        )
        return self._span

    def refused(self, problem: Problem) -> None:
        """It is answered with a problem; a denial is told the audit log."""
        self._code = problem.code
        if problem.status >= 500:
            self._span.fail(str(problem.status))
            self._telling.tracing.keep(self._span.traceparent, "failed")
        if problem.status in DENIED and self._telling.auditing is not None and self._operation is not None:
            self._telling.auditing.denied(self._denial(self._operation, problem.code))

    def answered(self, status: int) -> None:
        """It is over."""
        now, metrics = self._telling.clock.monotonic(), self._telling.metrics
        route, exemplar = self._operation.path if self._operation else OTHER, self._span.exemplar
        metrics.api_requests.labels(route=route, status=str(status)).inc()
        metrics.api_seconds.labels(route=route).observe(now - self._began, exemplar)
        if self._does and self._operation is not None and self._operation.name == SENDS:
            count_send(metrics, self._code, now - self._doing, exemplar)
        self._span.set(status=status, code=self._code)
        self._span.end()

    @property
    def _actor(self) -> Actor:
        return Actor(self._key, self._user)

    def _denial(self, operation: Operation, code: int) -> AuditEntry:
        known = bool(self._key)
        actor, connection = (self._actor.name, self._actor.service) if known else ("", "")
        return AuditEntry(
            Action.DENIED,
            actor,
            self._conversation,
            operation.name,
            connection,
            self._span.trace,
            code,
        )

    def _when(self, monotonic: float) -> int:
        """Wall time of a moment lately, in nanoseconds."""
        clock = self._telling.clock
        return clock.now_ns() - int((clock.monotonic() - monotonic) * NS)


def _read(data: bytes) -> _Said:
    try:
        return _said.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said()
