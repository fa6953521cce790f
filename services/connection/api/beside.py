"""Operations beside the RPCs: who is present, the census, and sending users away.

Called by way of operations.py. What is revoked and disconnected is told every server by the bus, as it is by
`continuo revoke` and `continuo disconnect`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from services.connection.api.operations import BASE, Asked, Nothing, Operation
from services.connection.arguments import read
from services.connection.deeds import Deeds
from services.shared.model.errors import BadRequest
from services.shared.model.ids import ConversationId
from services.shared.model.revocation import Revocation
from services.shared.runtime.clock import Clock
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Id, User

Seconds = Annotated[float, Meta(gt=0, le=1e11, description="seconds since 1970")]
TokenId = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}\Z", description="a token's `jti`")]


class Censuses(Protocol):
    """What is needed of the bus's census."""

    async def read(self) -> dict[str, Any]: ...


class Revocations(Protocol):
    """What is needed of the bus's revocations."""

    async def revoke(self, revocation: Revocation, *, by: str, until_ms: int = 0) -> None: ...
    async def disconnect(self, user: str, *, by: str, reconnects: bool = False) -> None: ...


class InConversation(msgspec.Struct):
    """Which conversation."""

    conversation: Id


class OfUser(msgspec.Struct):
    """Which user."""

    user: User


class Present(msgspec.Struct):
    """One connection that is there. conn_info: from its token."""

    user: str
    client: str
    conn_info: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class PresenceTold(msgspec.Struct):
    """Connections that are there, by their ids, at most 1,000 of them; and how many there are, of how many
    users.
    """

    presence: dict[str, Present]
    num_clients: int
    num_users: int


class CensusTold(msgspec.Struct):
    """What each node holds, and all whose numbers are not stale together; no sums where the census itself is
    stale.
    """

    nodes: dict[str, Mapping[str, int | float | bool]]
    sums: Mapping[str, int | float | bool]
    stale: bool


class Disconnect(msgspec.Struct):
    """How a user's connections are to end. reconnect: clients are told to come back."""

    reconnect: bool = False


class Revoke(msgspec.Struct):
    """Which tokens are taken no more: one by its `jti`, or all of a `user` that were issued before a time,
    without one before now. until: when the token ends by itself.
    """

    jti: TokenId | msgspec.UnsetType = msgspec.UNSET
    until: Seconds | msgspec.UnsetType = msgspec.UNSET
    user: User | msgspec.UnsetType = msgspec.UNSET
    issued_before: Seconds | msgspec.UnsetType = msgspec.UNSET


class Done(msgspec.Struct):
    """It is done."""


class Beside:
    """Does them."""

    def __init__(self, deeds: Deeds, census: Censuses, revocations: Revocations, clock: Clock) -> None:
        self._deeds = deeds
        self._census = census
        self._revocations = revocations
        self._clock = clock

    def operations(self) -> list[Operation]:
        """One for each."""
        return [
            Operation(
                "GET",
                BASE + "presence/{conversation}",
                "presence",
                "Who is in a conversation now: what SDKs' `presence` and `presence_stats` tell, in one.",
                Nothing,
                PresenceTold,
                (codes.PERMISSION_DENIED, codes.REFUSED),
                self._presence,
                InConversation,
            ),
            Operation(
                "GET",
                BASE + "census",
                "census",
                "What each server holds: connections, users, channels, and the sums.",
                Nothing,
                CensusTold,
                (codes.REFUSED,),
                self._told,
                alone=True,
            ),
            Operation(
                "POST",
                BASE + "users/{user}/disconnect",
                "user.disconnect",
                "End all connections of a user, on every server. Tokens stay good.",
                Disconnect,
                Done,
                (codes.REFUSED,),
                self._disconnect,
                OfUser,
                alone=True,
            ),
            Operation(
                "POST",
                BASE + "tokens/revoke",
                "token.revoke",
                "Have tokens taken no more, and end the connections that came with them, on every server."
                " A repeat is harmless.",
                Revoke,
                Done,
                (codes.REFUSED,),
                self._revoke,
                alone=True,
            ),
        ]

    async def _presence(self, asked: Asked) -> bytes:
        conversation = ConversationId(asked.place.conversation.lower())
        infos = await self._deeds.present(asked.actor.name, conversation)
        clients, users = await self._deeds.counted(asked.actor.name, conversation)
        listed = {client: msgspec.Raw(info) for client, info in infos.items()}
        return msgspec.json.encode({"presence": listed, "num_clients": clients, "num_users": users})

    async def _told(self, _: Asked) -> bytes:
        return msgspec.json.encode(await self._census.read())

    async def _disconnect(self, asked: Asked) -> bytes:
        wanted, by = read(asked.data, Disconnect), asked.actor.service
        await self._revocations.disconnect(asked.place.user, by=by, reconnects=wanted.reconnect)
        return b"{}"

    async def _revoke(self, asked: Asked) -> bytes:
        wanted, by = read(asked.data, Revoke), asked.actor.service
        until_ms = int(wanted.until * 1000) if wanted.until else 0
        await self._revocations.revoke(self._revocation(wanted), by=by, until_ms=until_ms)
        return b"{}"

    def _revocation(self, wanted: Revoke) -> Revocation:
        """Which tokens are meant. Raises BadRequest where that cannot be told."""
        if bool(wanted.jti) == bool(wanted.user):
            raise BadRequest("jti or user: one of them must be given, and not both")
        if wanted.until and not wanted.jti:
            raise BadRequest("until goes with jti")
        if wanted.until and wanted.until * 1000 <= self._clock.now_ms():
            raise BadRequest("until is over: it is when the token ends by itself, seconds since 1970")
        if wanted.issued_before and not wanted.user:
            raise BadRequest("issued_before goes with user")
        before = wanted.issued_before
        before_ms = int(before * 1000) if before else self._clock.now_ms()
        return Revocation(token=wanted.jti) if wanted.jti else Revocation("", wanted.user or "", before_ms)
