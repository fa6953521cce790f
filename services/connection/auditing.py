"""What this process tells the audit log: who connected, and who was denied what. Deeds are told by the
scripts that do them.

Called by reception.py and api/; `run` is a task of app.py, `end` its last word. Never makes a device wait: an
entry is written soon after, and again until it is taken. Must never pass on what a client said, but ids of
the right form and names of commands that there are.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from services.connection.core.denials import Denials
from services.connection.core.session import Settled
from services.connection.device import Device
from services.shared.model.audit import Action, AuditEntry
from services.shared.model.errors import Broken, ContinuoError
from services.shared.model.ids import Channel, ChannelKind, is_uuid
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import trace_id
from services.shared.runtime.trouble import Trouble
from services.shared.wire import codes, rpc
from services.shared.wire.codes import Disconnect
from services.shared.wire.protocol import RpcRequest

EVERY_S = 0.2
"""Between two writes: entries that come together share one round trip."""
AGAIN_S = 1.0
"""Pause after Redis did not take them."""
WAITING = 10_000
"""Entries that wait for Redis; beyond that they are counted and lost."""
AT_ONCE = 500
END_S = 2.0
"""What the end of the process waits for the last ones."""

DENIALS = frozenset(
    fault.code
    for fault in (
        codes.UNAUTHORIZED,
        codes.PERMISSION_DENIED,
        codes.TOKEN_EXPIRED,
        codes.EXPIRED,
        codes.REFUSED,
    )
)
"""Replies that say: you may not."""
EXPULSIONS = frozenset(
    (Disconnect.INVALID_TOKEN, Disconnect.PERMISSION_DENIED, Disconnect.SUBSCRIPTION_EXPIRED)
)
"""Closes that say so."""

log = get_logger(__name__)


class Audit(Protocol):
    """What is needed of the bus."""

    def named(self) -> str: ...
    async def note(self, entries: Mapping[str, AuditEntry]) -> None: ...


class _Said(msgspec.Struct):
    """What a call says of where it belongs, before it is judged."""

    conversation: str = ""


_said = msgspec.json.Decoder(_Said)


class Auditing:
    """Entries of this process, on their way into the log."""

    def __init__(self, audit: Audit, now: Callable[[], float], metrics: Metrics) -> None:
        """`now`: monotonic seconds."""
        self._audit = audit
        self._now = now
        self._unwritten = Trouble(log, "audit entries not written", "audit entries written again")
        self._lost = metrics.audit_lost
        self._denials = Denials()
        self._waiting: dict[str, AuditEntry] = {}
        metrics.audit_waiting.set_function(lambda: len(self._waiting))

    def connected(self, device: Device) -> None:
        """A device got through connect."""
        trace = trace_id(device.trace)
        self._tell(AuditEntry(Action.CONNECTED, device.user, connection=device.connection, trace=trace))

    def settled(self, device: Device, settled: Settled) -> None:
        """A command was answered; if with a denial, that is told. To be called while its span is there."""
        if settled.code in DENIALS:
            target, conversation = _asked(settled)
            self._denied(device, target, conversation, settled.code)

    def ended(self, device: Device, why: Disconnect) -> None:
        """A device is over; if because its token was no good, that is told."""
        if why in EXPULSIONS:
            self._denied(device, "token" if device.user else "connect", "", why.code)

    async def run(self) -> None:
        """Write entries until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            for entry in self._denials.due(self._now()):
                self._tell(entry)
            while self._waiting:
                if not await self._write():
                    await asyncio.sleep(AGAIN_S)

    async def end(self) -> None:
        """Write what is left, within a bound."""
        for entry in self._denials.all(self._now()):
            self._tell(entry)
        try:
            async with asyncio.timeout(END_S):
                while self._waiting and await self._write():
                    pass
        except TimeoutError:
            pass
        if self._waiting:
            self._lost.inc(len(self._waiting))
            log.warning("audit entries lost", count=len(self._waiting))

    def denied(self, entry: AuditEntry) -> None:
        """Somebody was denied something; like ones that come often are counted and told together."""
        if told := self._denials.denied(entry, self._now()):
            self._tell(told)

    def _denied(self, device: Device, target: str, conversation: str, code: int) -> None:
        trace = device.span.trace or trace_id(device.trace)
        self.denied(
            AuditEntry(Action.DENIED, device.user, conversation, target, device.connection, trace, code)
        )

    def _tell(self, entry: AuditEntry) -> None:
        if len(self._waiting) >= WAITING:
            self._lost.inc()
            return
        self._waiting[self._audit.named()] = entry

    async def _write(self) -> bool:
        """Write the oldest; whether they are out of the way. Their notes make a repeat harmless."""
        some = dict(list(self._waiting.items())[:AT_ONCE])
        try:
            await self._audit.note(some)
        except Broken:
            self._lost.inc(len(some))
            log.exception("audit entries given up", count=len(some))
        except ContinuoError as error:
            self._unwritten.met(count=len(self._waiting), error=str(error))
            return False
        else:
            self._unwritten.over()
        for note in some:
            del self._waiting[note]
        return True


def _asked(settled: Settled) -> tuple[str, str]:
    """What was asked for, and of which conversation ("" if that is none)."""
    request = settled.request
    if isinstance(request, RpcRequest):
        method = request.method if request.method in rpc.METHODS else settled.method
        return method, conversation_of(bytes(request.data))
    channel = Channel.parse(getattr(request, "channel", ""))
    is_talk = channel is not None and channel.kind is ChannelKind.CONVERSATION
    return settled.method, channel.id if channel and is_talk else ""


def conversation_of(data: bytes) -> str:
    """Which conversation a call's arguments name; empty if none."""
    try:
        conversation = _said.decode(data).conversation.lower()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return conversation if is_uuid(conversation) else ""
