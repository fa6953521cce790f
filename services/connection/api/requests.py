"""What a request brings, read within bounds: its headers, who it acts as, its body.

Called by answering.py. Everything that is wrong is a problem that names it, before anything is done.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope

from services.connection.api.places import Patience
from services.connection.api.problems import ProblemError
from services.shared.model.ids import UserId, is_user, service_actor
from services.shared.wire import codes

USER_HEADER = "X-Continuo-User"
BODY_WITHIN_S = 10.0
"""What a back end gets for a body it has begun."""
HEARD_OUT_BYTES = 1 << 20
"""So much of a body that is too large is taken and thrown away: who hears the answer must have finished."""


class GoneError(Exception):
    """Who asked has gone before its request was whole."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the back end with this key, as a user; empty: as itself."""

    key: str
    user: str

    @property
    def service(self) -> UserId:
        """What the back end is called, whoever it acts as."""
        return service_actor(self.key)

    @property
    def name(self) -> UserId:
        """What who acts is called."""
        return UserId(self.user) if self.user else self.service


class Incoming:
    """One request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.path: str = scope["path"]
        self.verb: str = scope["method"]
        self._headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive

    def headers(self, name: str) -> list[str]:
        """Every header of this name."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for each, value in self._headers if each == wanted]

    def header(self, name: str) -> str:
        """The header of this name; empty if there is none, or more than one."""
        found = self.headers(name)
        return found[0] if len(found) == 1 else ""

    def actor(self, key: str) -> Actor:
        """Who the back end with this key acts as. Raises ProblemError: who names nobody is not let through
        as the service.
        """
        named = self.headers(USER_HEADER)
        if not named:
            return Actor(key, "")
        if len(named) > 1 or not is_user(named[0]):
            raise ProblemError(
                codes.BAD_REQUEST,
                f"{USER_HEADER} names one user: 1 to 64 of letters, digits, _ . @ -",
                field=USER_HEADER,
            )
        return Actor(key, named[0])

    async def body(self, most: int, patience: Patience) -> bytes:
        """The body, empty where there is none. Raises ProblemError, GoneError."""
        try:
            async with patience.within(BODY_WITHIN_S):
                body = await self._whole(most)
        except TimeoutError as slow:
            detail = f"the body was not whole within {BODY_WITHIN_S:g} s, or at the end of this server"
            raise ProblemError(codes.BAD_REQUEST, detail, status=408, ends=True) from slow
        if body:
            self._check_form()
        return body

    async def _whole(self, most: int) -> bytes:
        pieces, size, more = [], 0, True
        while more:
            told: Any = await self._receive()
            if told["type"] == "http.disconnect":
                raise GoneError
            piece, more = told.get("body", b""), told.get("more_body", False)
            size += len(piece)
            if size <= most:
                pieces.append(piece)
            elif size > most + HEARD_OUT_BYTES:
                raise _too_large(most, ends=True)
        if size > most:
            raise _too_large(most, ends=False)
        return b"".join(pieces)

    def _check_form(self) -> None:
        kind, _, parameter = self.header("content-type").partition(";")
        if kind.strip().lower() != "application/json" or parameter.strip().lower() not in _UTF8:
            detail = "a body is JSON in UTF-8: Content-Type: application/json"
            raise ProblemError(codes.BAD_REQUEST, detail, status=415, field="Content-Type")
        if any(each.strip().lower() != "identity" for each in self.headers("content-encoding")):
            detail = "a body comes as it is, without Content-Encoding"
            raise ProblemError(codes.BAD_REQUEST, detail, status=415, field="Content-Encoding")


_UTF8 = ("", "charset=utf-8", 'charset="utf-8"')


def _too_large(most: int, *, ends: bool) -> ProblemError:
    return ProblemError(codes.BAD_REQUEST, f"a body has at most {most} bytes", status=413, ends=ends)
