"""What clients send with an RPC, read. Called by deeds.py, inbound.py and the modules of calls; pure."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from services.shared.model.errors import BadRequest
from services.shared.model.ids import UserId
from services.shared.wire.rpc.fields import WANTED

Arguments = TypeVar("Arguments", bound=msgspec.Struct)
Calls = dict[str, Callable[[UserId, Any], Awaitable[object]]]
"""Name of an RPC -> what does it, for a user with its arguments; what it returns is the result."""


def read(data: bytes, kind: type[Arguments]) -> Arguments:
    """Decode arguments; a wrong one is a BadRequest that names it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(_worded(str(error), kind)) from error


def _worded(said: str, kind: type[msgspec.Struct]) -> str:
    """The decoder's sentence, with what is wanted in place of a pattern, and the words that there are."""
    if said == "Input data was truncated":
        return "the arguments are no whole JSON: they end too early"
    said = _PATTERN.sub(lambda found: f"Expected {_WANTED.get(found[1], found[0])}", said)
    if unknown := _UNKNOWN_WORD.fullmatch(said):
        [wanted] = [each.type for each in msgspec.structs.fields(kind) if each.name == unknown[2]] or [None]
        words = [word for part in (wanted, *get_args(wanted)) for word in _literals(part)]
        place = f" - at `$.{unknown[2]}`"
        return f"{unknown[1]}; there are {', '.join(words)}{place}" if words else said
    return said


def _literals(part: Any) -> tuple[str, ...]:
    return get_args(part) if get_origin(part) is Literal else ()


_PATTERN = re.compile(r"Expected `str` matching regex '(.*?)'(?= - at|$)")
_UNKNOWN_WORD = re.compile(r"(Invalid enum value .*) - at `\$\.([a-z_]+)`")
_WANTED = {repr(pattern)[1:-1]: words for pattern, words in WANTED.items()}


def compact(answer: msgspec.Raw) -> bytes:
    """An answer as it is kept: it may not hold the line ends that frames are joined by."""
    try:
        return msgspec.json.encode(msgspec.json.decode(answer))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"{error} - at `$.answer`") from error
