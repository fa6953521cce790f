"""Revocations: tokens that are taken no more, known to every pod, and word to those that serve them now.

Called by the connection pods, which ask for each token they are shown and for all they serve after a gap in
the control stream, and by whoever revokes. What is revoked is kept for `KEPT_MS`, or until the token ends.
"""

from collections.abc import Sequence

from services.shared.bus import keys as names
from services.shared.bus.audit import Audit
from services.shared.bus.control import Control
from services.shared.bus.floor import Floor
from services.shared.bus.lease import Argument
from services.shared.bus.scripts import Call, script
from services.shared.model.audit import Action, AuditEntry
from services.shared.model.errors import BadRequest
from services.shared.model.ids import is_user
from services.shared.model.revocation import LONGEST_ID, Credential, Revocation, is_token_id
from services.shared.runtime.origin import origin
from services.shared.wire.envelopes import ControlEntry

KEPT_MS = 400 * 86_400_000
"""A token that says no end may be shown for ever; what revoked it is remembered for so long."""
AHEAD_MS = 60_000
"""How far in the future "issued before" may lie: clocks differ, and a slip of the hand locks a user out."""


class Revocations:
    """Made, asked for, and told to every pod."""

    def __init__(self, floor: Floor, control: Control, audit: Audit) -> None:
        self._floor = floor
        self._control = control
        self._audit = audit

    async def revoke(self, revocation: Revocation, *, by: str, until_ms: int = 0) -> None:
        """Have no pod take these tokens any more, and those that serve them end it. Replicated on return; a
        repeat is harmless. by: who did it, for the audit log. until_ms: when the token ends by itself, 0: not
        known. Raises BadRequest, NotReplicated, BusUnavailable.
        """
        _check(revocation, self._floor.clock.now_ms())
        word = ControlEntry(
            "token.revoked", user=revocation.user, token=revocation.token, before_ms=revocation.before_ms
        )
        key = names.REVOKED if revocation.token else names.REVOKED_USERS
        args: list[Argument] = [revocation.token or revocation.user]
        args += [until_ms if revocation.token else revocation.before_ms, KEPT_MS]
        args += ["token" if revocation.token else "user"]
        await self._floor.scripts.batch_acknowledged(
            [Call(script("revoke"), [key], args), self._control.publishing(word)]
        )
        target = f"token {revocation.token}" if revocation.token else revocation.user
        await self._note(Action.REVOKED, by, target)

    async def disconnect(self, user: str, *, by: str, reconnects: bool = False) -> None:
        """End all connections of a user, on every pod; reconnects: SDKs are told to come back. Raises
        BadRequest, NotReplicated, BusUnavailable.
        """
        if not is_user(user):
            raise BadRequest(f"user: {user!r} is not a user id")
        word = ControlEntry("user.reconnected" if reconnects else "user.disconnected", user=user)
        await self._control.publish(word)
        await self._note(Action.DISCONNECTED, by, user)

    async def revoked(self, credentials: Sequence[Credential]) -> list[bool]:
        """Which of these tokens are revoked. Raises BusUnavailable."""
        if not credentials:
            return []
        args: list[Argument] = []
        for each in credentials:
            args += [each.user, each.token, each.issued_ms]
        found = await self._floor.scripts.run("revoked", [names.REVOKED, names.REVOKED_USERS], args)
        return [bool(each) for each in found]

    async def _note(self, action: Action, by: str, target: str) -> None:
        known = origin()
        entry = AuditEntry(action, by, target=target, connection=known.connection, trace=known.trace)
        await self._audit.note({self._audit.named(): entry})


def _check(revocation: Revocation, now_ms: int) -> None:
    if bool(revocation.token) == bool(revocation.user):
        raise BadRequest("token or user: one of them must be given")
    if revocation.token and not is_token_id(revocation.token):
        raise BadRequest(f"token: a token's id is 1 to {LONGEST_ID} visible ASCII characters")
    if revocation.user and not is_user(revocation.user):
        raise BadRequest(f"user: {revocation.user!r} is not a user id")
    if revocation.user and not 0 < revocation.before_ms <= now_ms + AHEAD_MS:
        raise BadRequest("issued_before: a time that is over, as seconds since 1970")
