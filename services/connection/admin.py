"""The admin port: how the operator looks at this process, empties it, and takes that back.

Served by app.py on a port of its own, only where a file of tokens is set. JSON in and out; every refusal is
`{"error": "<what is wrong>"}`. Must never show a token, and decides nothing: drain.py does.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.connection.bearer import Bearers, UnreadableError
from services.connection.core.drain import RefusedError
from services.connection.drain import Drain
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

FORMAT = 1
"""Of the status; a reader takes fields it does not know for news of a later release."""
BODY_BYTES = 4096
"""Largest body taken."""
LONGEST_S = 86_400.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

PlanId = Annotated[str, Meta(min_length=1, max_length=253)]

log = get_logger(__name__)


class DrainOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Be empty within so many seconds."""

    plan: PlanId
    within_s: Annotated[float, Meta(ge=0, le=LONGEST_S)]


class UndrainOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take a plan back."""

    plan: PlanId


class Status(msgspec.Struct, frozen=True):
    """What the operator sees of this process.

    cordoned: lets nobody in because of `plan`. capacity: most connections, 0 for no bound. redis: whether it
    answered lately. closed: connections closed by this drain. deadline_s: seconds left to it.
    """

    node: str
    state: str
    cordoned: bool
    plan: str | None
    connections: int
    capacity: int
    redis: bool
    closed: int
    deadline_s: float | None
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Facts:
    """What of the status the drain does not know itself."""

    node: str
    capacity: int
    connections: Callable[[], int]
    redis: Callable[[], bool]


class _AnswerError(Exception):
    """A request is answered with an error."""

    def __init__(self, code: int, error: str) -> None:
        super().__init__(error)
        self.code = code


Order = TypeVar("Order", bound=msgspec.Struct)
Page = Callable[[Request], Awaitable[Status]]


class Admin:
    """The three pages of the admin port."""

    def __init__(self, drain: Drain, bearers: Bearers, facts: Facts) -> None:
        self._drain = drain
        self._bearers = bearers
        self._facts = facts
        self._unreadable = Trouble(log, "admin tokens unreadable", "admin tokens readable again", severe=True)
        self._pages: dict[str, tuple[str, Page]] = {
            "/status": ("GET", self._status),
            "/drain": ("POST", self._order),
            "/undrain": ("POST", self._withdraw),
        }

    def routes(self) -> list[Route]:
        """What to serve."""
        return [
            *(
                Route(path, self._answering(page), methods=[method])
                for path, (method, page) in self._pages.items()
            ),
            Route("/{elsewhere:path}", self._answering(self._nothing_there), methods=METHODS),
        ]

    def status(self) -> Status:
        """What is so now."""
        standing, left_s = self._drain.standing, self._drain.left_s()
        return Status(
            node=self._facts.node,
            state=standing.state.shown,
            cordoned=standing.plan is not None,
            plan=standing.plan,
            connections=self._facts.connections(),
            capacity=self._facts.capacity,
            redis=self._facts.redis(),
            closed=self._drain.closed,
            deadline_s=None if left_s is None else round(left_s, 3),
        )

    async def _status(self, _: Request) -> Status:
        return self.status()

    async def _order(self, request: Request) -> Status:
        order = await _read(request, DrainOrder)
        self._drain.order(order.plan, order.within_s)
        return self.status()

    async def _withdraw(self, request: Request) -> Status:
        order = await _read(request, UndrainOrder)
        try:
            self._drain.withdraw(order.plan)
        except RefusedError as refused:
            raise _AnswerError(409, str(refused)) from refused
        return self.status()

    async def _nothing_there(self, request: Request) -> Status:
        """Refuse what is none of the pages, by what is wrong with it."""
        path = request.url.path
        if path in self._pages:
            raise _AnswerError(405, f"{path} takes {self._pages[path][0]}")
        raise _AnswerError(404, f"there is no such page; there are {', '.join(self._pages)}")

    def _answering(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._admit(request)
                return _json(200, await page(request))
            except _AnswerError as error:
                return _json(error.code, {"error": str(error)})

        return answer

    def _admit(self, request: Request) -> None:
        try:
            allowed = self._bearers.allow(request.headers.get("authorization", ""))
        except UnreadableError as unreadable:
            self._unreadable.met(error=str(unreadable))
            raise _AnswerError(503, str(unreadable)) from unreadable
        self._unreadable.over()
        if not allowed:
            raise _AnswerError(401, "a bearer token of the admin port is needed")


async def _read(request: Request, kind: type[Order]) -> Order:
    """Read a body, which must be what is asked for, in every part."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES:
            raise _AnswerError(413, f"a body has at most {BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as fault:  # its sentence names the field
        raise _AnswerError(400, str(fault)) from fault


def _json(code: int, what: Any) -> Response:
    headers = {"www-authenticate": "Bearer"} if code == 401 else None
    return Response(msgspec.json.encode(what), code, headers, "application/json")
