"""Answers requests: finds the operation, lets the key in, has it done, tells what became of it.

An ASGI application, opened by port.py. What was begun is done to its end, or for `answer_s`, whether or not
who asked still waits: a repeat with the same ids is safe, as it is for devices. Nothing that is raised goes
further than here.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.connection.api.keys import Keys
from services.connection.api.operations import Asked, Operation, Table
from services.connection.api.places import Patience, Places
from services.connection.api.problems import MEDIA_TYPE, ProblemError, broken, late, of_error
from services.connection.api.requests import USER_HEADER, Actor, GoneError, Incoming
from services.connection.api.telling import Telling, Told
from services.connection.auditing import conversation_of
from services.connection.bearer import UnreadableError
from services.shared.model.errors import BadRequest, Broken, ContinuoError
from services.shared.runtime import logging, origin
from services.shared.wire import codes

log = logging.get_logger(__name__)

NO_SUCH_KEY = "this is none of the keys of the API: Authorization: Bearer <key>, once"
GONE = 499
"""In metrics only: who asked went away before its request was whole."""


READING = 16
"""Bodies that are awaited, for each request that is done: who is slow to say what it wants keeps nobody from
what is wanted.
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """body_bytes: largest body. at_once: requests that are done. answer_s: what one is done within."""

    body_bytes: int
    at_once: int
    answer_s: float


class Answering:
    """The application."""

    def __init__(
        self, table: Table, keys: Keys, bounds: Bounds, telling: Telling, ending: Callable[[], bool]
    ) -> None:
        """`ending`: whether this process goes; then connections are not kept for further requests."""
        self._table = table
        self._keys = keys
        self._bounds = bounds
        self._telling = telling
        self._ending = ending
        self._reading = Places(bounds.at_once * READING)
        self._doing = Places(bounds.at_once)
        self._patience = Patience()
        telling.metrics.api_under_way.set_function(lambda: self._doing.taken)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        logging.forget()
        request = Incoming(scope, receive)
        operation, place = self._table.find(request.path)
        told = self._telling.begin(operation)
        try:
            answer = await self._answer(request, operation, place, told)
        except GoneError:
            told.answered(GONE)
            return
        told.answered(answer.status_code)
        with contextlib.suppress(OSError):
            await answer(scope, receive, send)

    def hurry(self, seconds: float) -> None:
        """The process goes: no body is waited for longer than this from now on."""
        self._patience.lose(seconds)

    async def _answer(
        self, request: Incoming, operation: Operation | None, place: str, told: Told
    ) -> Response:
        try:
            return self._response(200, await self._done(request, operation, place, told))
        except ProblemError as refused:
            told.refused(refused.problem)
            problem = msgspec.json.encode(refused.problem)
            headers = {"content-type": MEDIA_TYPE, **refused.headers}
            if refused.ends:
                headers["connection"] = "close"
            return self._response(refused.problem.status, problem, headers)

    async def _done(self, request: Incoming, operation: Operation | None, place: str, told: Told) -> bytes:
        if operation is None:
            detail = "there is no such route: openapi.json lists all; an RPC's dots are slashes"
            raise ProblemError(codes.METHOD_NOT_FOUND, detail)
        if request.verb not in operation.verbs:
            allowed = ", ".join(operation.verbs)
            detail = f"this route takes {allowed}"
            raise ProblemError(codes.METHOD_NOT_FOUND, detail, status=405, headers={"allow": allowed})
        if operation.open:
            return await operation.does(Asked(Actor("", ""), None, b""))
        key = self._admitted(request)
        told.comes_from(key)
        actor = request.actor(key)
        told.acts(actor)
        if operation.alone and actor.user:
            detail = f"this is for a service as itself: leave {USER_HEADER} out"
            raise ProblemError(codes.REFUSED, detail, field=USER_HEADER)
        where = _placed(operation, place)
        data = b""
        if operation.verb == "POST":
            with self._reading:
                data = await request.body(self._bounds.body_bytes, self._patience)
        with self._doing:
            return await self._do(operation, Asked(actor, where, data or b"{}"), request, told)

    def _admitted(self, request: Incoming) -> str:
        try:
            key = self._keys.holder(request.header("authorization"))
        except UnreadableError as unreadable:
            raise ProblemError(codes.INTERNAL, str(unreadable)) from unreadable
        if not key:
            headers = {"www-authenticate": "Bearer"}
            shown = bool(request.headers("authorization"))
            detail = NO_SUCH_KEY if shown else "a key of the API is needed: Authorization: Bearer <key>"
            raise ProblemError(codes.UNAUTHORIZED, detail, headers=headers)
        return key

    async def _do(self, operation: Operation, asked: Asked, request: Incoming, told: Told) -> bytes:
        conversation = getattr(asked.place, "conversation", "").lower() or conversation_of(asked.data)
        span = told.does(asked.data, conversation, request.header("traceparent"))
        origin.come_from(asked.actor.service, span.trace)
        logging.bind(connection=asked.actor.service)
        with self._telling.inside(span):
            try:
                async with asyncio.timeout(self._bounds.answer_s):
                    return await operation.does(asked)
            except Broken as error:
                log.exception("request failed", route=operation.path)
                raise broken() from error
            except ContinuoError as error:
                raise of_error(error, operation.arguments) from error
            except TimeoutError as error:
                raise late() from error
            except Exception as error:  # a request's root: a fault of ours is its problem, and our log line
                log.exception("request failed", route=operation.path)
                raise broken() from error

    def _response(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
        more = {"connection": "close"} if self._ending() else {}
        whole = {"content-type": "application/json", "cache-control": "no-store", **(headers or {}), **more}
        return Response(body, status, whole)


def _placed(operation: Operation, said: str) -> Any:
    """What stands in the path, read. Raises ProblemError."""
    fields = operation.place.__struct_fields__
    try:
        return msgspec.convert(dict.fromkeys(fields, said), operation.place)
    except msgspec.ValidationError as error:
        raise of_error(BadRequest(str(error)), operation.place) from error
