"""Writes docs/protocol.md: what clients can say and be told, from shared/wire and the session's limits.

Run it to write the page; with `--check` it fails when the page is not what the code says.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from services.connection.core.admission import Limits
from services.shared.model.conversation import KeptMessage, OpenMessage, ReadUpTo, Settings, Summary, Version
from services.shared.model.events import Event
from services.shared.model.members import Invitation, Member
from services.shared.model.position import Position
from services.shared.wire import codes, protocol, rpc

PAGE = Path(__file__).parent / "protocol.md"
_PLAIN = {"IntType": "number", "StrType": "text", "BoolType": "boolean", "NoneType": "null"}
SHARED_SHAPES = (
    Member,
    Invitation,
    Position,
    Summary,
    KeptMessage,
    OpenMessage,
    rpc.Underway,
    rpc.Asked,
    Settings,
    ReadUpTo,
    Version,
)

HEAD = """\
# The client protocol

Made from `services/shared/wire` and the session's limits by `python docs/protocol.py`; change it there.

Clients speak the [Centrifuge client protocol](https://centrifugal.dev/docs/transports/client_protocol), JSON
flavour, at `/connection/websocket`: its SDKs (centrifuge-js, -python, -swift, -java, -dart, -go) work as they
come. A text frame carries one or more commands joined by newlines; replies and pushes come back the same way.
This page says what is particular here.

## How a connection goes

1. The first command is `connect` with a token (below). Others may follow at once, in the same frame: they
   wait. After an error reply to `connect` they are discarded.
2. Commands are processed one by one, in order. Each is answered in time, if need be with temporary error 100:
   then it may or may not have been done, and repeating it with the same ids is safe.
3. The server pings with `{}` and wants `{}` back. A pong nobody asked for ends the connection.
4. `connect` subscribes the connection to `#<user>`, where what happened elsewhere to this user is told. Its
   position is remembered in `connect.subs`, as SDKs do by themselves.

## Channels

| channel | who | what it has |
|---|---|---|
| `conversation:<id>` | members | history, recovery, presence, joins, leaves; `publish` of `{"id", "text"}` |
| `#<user>` | that user, subscribed by the server | history, recovery |

A subscription token is optional and never replaces membership: it can only end a subscription in time.

## Recovery

A subscribe with `recover`, `epoch` and `offset` is answered with `recovered: true` when the position can be
served: `publications` are the events after it, in order, without deltas, and `offset` is the one sent. Else
`recovered` is absent, `offset` is the top, and the client reads `conversation.history` anew; with bit 2 of
`flag` it is error 112 instead and no subscription. Every subscribe reply of a conversation, first or
recovering, carries `data.open`: the unfinished messages with their whole text so far, which replaces what the
client holds; `data.asked`: all that agents wait for people to answer (`Asked`, [interrupts](interrupts.md)),
which replaces it, too; `data.underway`: what else is at work: calls of tools, reasoning, agents within the
agent (`Underway`), which replaces those held; `data.settings`: who answers there, and how
([turns](turns.md)); and `data.read`: how far the user has read ([people](people.md#read-and-unread)). An
empty epoch is no position: it is never recovered.

A recovery brings at most `CONTINUO_RECOVERY_BYTES` (16 MiB) of events: who missed more is not recovered, as
if its position were gone. A page of `history` or `conversation.history` holds at most `CONTINUO_REPLY_BYTES`
(512 KiB): fewer than asked for, at least one, and the client asks again from the last.

`history` returns publications without deltas; a position that cannot be served is error 112. What it and the
RPCs `conversation.history` and `conversation.list` show is replicated; while no replica confirms, they are
answered with the temporary error 100.

## Tokens

JWTs signed with HS256/384/512 and a shared secret, or with RS*, ES* or EdDSA and a key from a JWKS address.

| claim | connection | subscription |
|---|---|---|
| `sub` | the user: 1 to 64 of letters, digits, `_ . @ -`; empty is anonymous: refused | the same user |
| `channel` | | the channel, required |
| `exp` | refused with 109 from then on; the connection ends then, unless refreshed | the same |
| `expire_at` | when the connection ends, instead of `exp`; 0 is never | the same |
| `nbf` | refused before | the same |
| `aud`, `iss` | must be the server's, if it has any | the same |
| `info`, `b64info` | JSON shown to others with this user's presence | |
| `channels` | channels to subscribe to at connect, where the user may | |
| `iat`, `jti` | what it may be [revoked](revocation.md) by | the same |
| `meta` | taken, not used | the same |

An end is followed by a grace in which `refresh` and `sub_refresh` still help.
"""


def page() -> str:
    """The whole page."""
    return HEAD + _joined(_limits, _commands, _events, _rpcs, _codes)


def _joined(*parts: Callable[[], Iterator[str]]) -> str:
    return "".join(line for part in parts for line in part())


def _limits() -> Iterator[str]:
    yield "\n## Limits\n\n| limit | default | meaning |\n|---|---|---|\n"
    told = _attribute_docs(Limits)
    for each in fields(Limits):
        yield f"| `{each.name}` | {each.default} | {told[each.name]} |\n"


def _commands() -> Iterator[str]:
    yield "\n## Commands\n\n| method | fields read |\n|---|---|\n"
    for field in msgspec.structs.fields(protocol.Command):
        if field.name != "id":
            request = next(each for each in field.type.__args__ if each is not type(None))
            names = ", ".join(f"`{name}`" for name in request.__struct_fields__)
            yield f"| `{field.name}` | {names or 'none'} |\n"
    yield "\nIf a command sets several methods, the first in this order counts. `ping` is answered by 108.\n"


def _events() -> Iterator[str]:
    yield "\n## Events\n\nThe `data` of publications: objects with `type`, `time` and these fields. "
    yield "`user` and `by` say who it was: a user's id, or `service:<name>`, a back end that acts as itself "
    yield "([people](people.md#back-ends)).\n\n"
    yield "| type | fields | meaning |\n|---|---|---|\n"
    by_type = {event.type: event for event in Event.__subclasses__()}  # slots leave each class a twin
    for event in by_type.values():
        names = ", ".join(f"`{field.name}`{'' if _is_required(field) else '?'}" for field in fields(event))
        yield f"| `{event.type}` | {names} | {_first_sentence(event)} |\n"
    yield "\n`trace`, the W3C trace context of an event's message, is there only while traces are on;"
    yield "\n`keep` says why that trace is kept whatever is sampled. Clients pass over both.\n"
    yield "\nDeltas have offsets like all events; `history` and recoveries leave them out.\n"


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING


def _rpcs() -> Iterator[str]:
    yield "\n## RPCs\n\nAny may answer 100 (try again), 107 (an argument is wrong, and named)"
    yield " and 403 ([who may not](permissions.md)).\n"
    yield "An unknown method is 104. Ids are UUIDs.\n"
    for name, method in rpc.METHODS.items():
        faults = ", ".join(f"{fault.code} {fault.message}" for fault in method.faults)
        yield f"\n### `{name}`\n\n{method.meaning}{' Errors: ' + faults + '.' if faults else ''}\n\n"
        yield from _shape("argument", method.arguments)
        yield "\n"
        yield from _shape("result", method.result)
    yield "\n### Shapes\n"
    for shape in SHARED_SHAPES:
        yield f"\n`{shape.__name__}`: {_first_sentence(shape)}\n\n"
        yield from _shape("field", shape)


def _shape(title: str, kind: type[Any]) -> Iterator[str]:
    yield f"| {title} | type | default |\n|---|---|---|\n"
    for name, wanted, default in _members(kind):
        yield f"| `{name}` | {wanted} | {default} |\n"


def _members(kind: type[Any]) -> Iterator[tuple[str, str, str]]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType | msgspec.inspect.DataclassType)
    for field in info.fields:
        default = "required" if field.required else f"`{_default(field)}`"
        yield field.name, _named(field.type), default


def _default(field: msgspec.inspect.Field) -> str:
    if field.default is field.default_factory:  # UNSET is not told by inspection
        return "absent"
    value = field.default_factory() if callable(field.default_factory) else field.default
    return msgspec.json.encode(value).decode()


def _named(kind: msgspec.inspect.Type) -> str:
    """A type in words, with its bounds."""
    match kind:
        case msgspec.inspect.Metadata():
            described = (kind.extra_json_schema or {}).get("description")
            words = f"{described}{_bounds(kind.type)}" if described else _named(kind.type)
        case msgspec.inspect.StructType() | msgspec.inspect.DataclassType():
            words = f"`{kind.cls.__name__}`"
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            words = f"list of {_named(kind.item_type)}{_bounds(kind)}"
        case msgspec.inspect.DictType():
            words = f"{_named(kind.key_type)} -> {_named(kind.value_type)}"
        case msgspec.inspect.UnionType():
            words = " or ".join(_named(each) for each in kind.types)
        case msgspec.inspect.LiteralType():
            words = " or ".join(f"`{value}`" for value in kind.values)
        case _:
            words = _PLAIN[type(kind).__name__] + _bounds(kind)
    return words


def _bounds(kind: msgspec.inspect.Type) -> str:
    low = next((v for n in ("ge", "min_length") if (v := getattr(kind, n, None)) is not None), None)
    high = next((v for n in ("le", "max_length") if (v := getattr(kind, n, None)) is not None), None)
    return {
        (False, False): "",
        (True, False): f", at least {low}",
        (False, True): f", at most {high}",
        (True, True): f", {low} to {high}",
    }[low is not None, high is not None]


def _codes() -> Iterator[str]:
    yield "\n## Error replies\n\n| code | message | try again | meaning |\n|---|---|---|---|\n"
    for fault, meaning in codes.FAULTS.items():
        again = "yes" if fault.temporary else "with a new token" if fault is codes.TOKEN_EXPIRED else "no"
        yield f"| {fault.code} | {fault.message} | {again} | {meaning} |\n"
    yield "\n## Unsubscribe pushes\n\n| code | reason | SDKs | meaning |\n|---|---|---|---|\n"
    for ended in codes.Unsubscribe:
        sdks = "resubscribe" if ended.code >= 2500 else "stop"
        yield f"| {ended.code} | {ended.reason} | {sdks} | {ended.meaning} |\n"
    yield "\n## Close codes\n\n| code | reason | SDKs | meaning |\n|---|---|---|---|\n"
    for why in codes.Disconnect:
        yield f"| {why.code} | {why.reason} | {'reconnect' if why.reconnects else 'stop'} | {why.meaning} |\n"


def _first_sentence(kind: type[Any]) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def _attribute_docs(kind: type[Any]) -> dict[str, str]:
    """The string below each field, as written in the source."""
    lines = [line.strip() for line in inspect.getsource(kind).splitlines()]
    pairs = [(name, text) for name, text in pairwise(lines) if text.startswith('"""') and ":" in name]
    return {name.split(":")[0]: text.strip('"') for name, text in pairs}


def main() -> int:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print("docs/protocol.md is not what the code says: run `python docs/protocol.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
