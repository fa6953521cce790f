"""What clients send with an RPC, read. Called by deeds.py, inbound.py and the modules of calls; pure."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from services.shared.model.errors import BadRequest
from services.shared.model.ids import UserId

Arguments = TypeVar("Arguments", bound=msgspec.Struct)
Calls = dict[str, Callable[[UserId, Any], Awaitable[object]]]
"""Name of an RPC -> what does it, for a user with its arguments; what it returns is the result."""


def read(data: bytes, kind: type[Arguments]) -> Arguments:
    """Decode arguments; a wrong one is a BadRequest that names it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error)) from error


def compact(answer: msgspec.Raw) -> bytes:
    """An answer as it is kept: it may not hold the line ends that frames are joined by."""
    try:
        return msgspec.json.encode(msgspec.json.decode(answer))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"{error} - at `$.answer`") from error
