"""Who may not be here any more: tokens that were revoked, and users somebody disconnected.

Wired by app.py: reception.py asks about each token that was found good, outbound.py passes on what the
control channel says. Never waits for Redis to end a connection: the word says whom it concerns.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from typing import Protocol

from services.connection.core.events import Dismissed, Refusal, TokenRefused, TokenVerified
from services.connection.device import Device
from services.shared.model.errors import Temporary
from services.shared.model.revocation import Credential, Revocation
from services.shared.runtime.clock import Clock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble
from services.shared.wire.codes import Disconnect
from services.shared.wire.envelopes import ControlEntry

REMEMBERED_S = 10.0
"""A word is held to connections that open within this time: they were judged before it came."""
AT_ONCE = 500
"""Tokens asked about in one round trip."""
AGAIN_S = 0.5

log = get_logger(__name__)


class Revocations(Protocol):
    """What is needed of the bus."""

    async def revoked(self, credentials: Sequence[Credential]) -> list[bool]: ...


class Expelling:
    """Ends connections by word from elsewhere."""

    def __init__(self, revocations: Revocations, tasks: Tasks, clock: Clock, metrics: Metrics) -> None:
        self._revocations = revocations
        self._tasks = tasks
        self._clock = clock
        self._metrics = metrics
        self._lately = deque[tuple[float, ControlEntry]]()
        self._unchecked = Trouble(log, "tokens not checked", "tokens checked at last")
        self._unknown: set[Device] = set()
        """Served while words may have been missed, and not asked about since."""
        self._checking = False
        self._missed_s = -inf

    async def judge(self, found: TokenVerified | TokenRefused) -> TokenVerified | TokenRefused:
        """What becomes of a token whose signature and times were looked at: revoked ones are refused."""
        if isinstance(found, TokenRefused) or not found.claims.user:
            return found
        try:
            [revoked] = await self._revocations.revoked([found.claims.credential])
        except Temporary:
            return TokenRefused(found.ref, Refusal.UNVERIFIABLE)
        return TokenRefused(found.ref, Refusal.INVALID) if revoked else found

    def opened(self, device: Device) -> None:
        """A connection opened: what was said since its token was judged counts for it."""
        for entry in self._fresh():
            if (why := _concerns(entry, device)) is not None:
                self._expel(entry, [device], why)
                return
        if self._clock.monotonic() - self._missed_s < REMEMBERED_S:
            self._check([device])

    def obey(self, entry: ControlEntry, devices: Iterable[Device]) -> None:
        """Act on a control entry; others than ours are passed over. An entry may come twice."""
        if entry.kind == "gap":
            self._missed_s = self._clock.monotonic()
            self._check(devices)
        elif entry.kind in _KINDS:
            self._fresh()
            self._lately.append((self._clock.monotonic(), entry))
            found = [(each, why) for each in devices if (why := _concerns(entry, each)) is not None]
            if found:
                self._expel(entry, [each for each, _ in found], found[0][1])

    def _fresh(self) -> Iterable[ControlEntry]:
        since = self._clock.monotonic() - REMEMBERED_S
        while self._lately and self._lately[0][0] < since:
            self._lately.popleft()
        # to somebody who was disconnected to come back, that word is over
        return [entry for _, entry in self._lately if entry.kind == "token.revoked"]

    def _expel(self, entry: ControlEntry, devices: Sequence[Device], why: Disconnect) -> None:
        self._metrics.control_entries.labels(kind=entry.kind).inc()
        log.info("connections ended", what=entry.kind, code=why.code, devices=len(devices))
        for device in devices:
            device.feed(Dismissed(why))

    def _check(self, devices: Iterable[Device]) -> None:
        """Words may be missing: ask about these tokens. Who still connects is asked about once it opened."""
        self._unknown.update(devices)
        if not self._checking:
            self._checking = True
            self._tasks.start("tokens", self._check_all())

    async def _check_all(self) -> None:
        try:
            while self._unknown:
                some = [self._unknown.pop() for _ in range(min(AT_ONCE, len(self._unknown)))]
                known = [(each, each.session.credential) for each in some if not each.session.closed]
                await self._check_some([(each, shown) for each, shown in known if shown is not None])
        finally:
            self._checking = False

    async def _check_some(self, pairs: Sequence[tuple[Device, Credential]]) -> None:
        revoked = await self._asked([credential for _, credential in pairs])
        ended = [device for (device, _), over in zip(pairs, revoked, strict=True) if over]
        if ended:
            self._expel(ControlEntry("token.revoked"), ended, Disconnect.INVALID_TOKEN)

    async def _asked(self, credentials: Sequence[Credential]) -> Sequence[bool]:
        while True:
            try:
                found = await self._revocations.revoked(credentials)
            except Temporary as error:
                self._unchecked.met(error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            else:
                self._unchecked.over()
                return found


def _concerns(entry: ControlEntry, device: Device) -> Disconnect | None:
    """How this connection is to end by this word; None: it is not about it."""
    credential = device.session.credential
    if credential is None:
        return None
    if entry.kind == "token.revoked":
        revocation = Revocation(entry.token, entry.user, entry.before_ms)
        return Disconnect.INVALID_TOKEN if revocation.covers(credential) else None
    return _KINDS.get(entry.kind) if credential.user == entry.user else None


_KINDS = {
    "token.revoked": Disconnect.INVALID_TOKEN,
    "user.disconnected": Disconnect.FORCED,
    "user.reconnected": Disconnect.RECONNECT,
}
