"""Arguments that are wrong in one thing each, made from the types of an RPC: for tests of what is refused."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

CONVERSATION = "01980000-0000-7000-8000-00000000b001"
_KINDS: dict[str, Any] = {"text": "x", "number": 7, "list": [], "object": {}, "boolean": True, "null": None}
_TAKES = {
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.ListType: "list",
    inspect.DictType: "object",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}


class Wrong(NamedTuple):
    """What is wrong, with which field, and the body."""

    what: str
    field: str
    body: bytes


def good(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Arguments of the right form: those that must be there."""
    return {
        field.encode_name: _good(field.type)
        for field in inspect.type_info(kind).fields
        if field.required  # type: ignore[attr-defined]
    }


def wrong(kind: type[msgspec.Struct]) -> Iterator[Wrong]:
    """Each of the arguments wrong in each of the ways its type knows."""
    base = good(kind)
    for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        name = field.encode_name
        if field.required:
            without = {key: value for key, value in base.items() if key != name}
            yield Wrong("missing", name, json.dumps(without).encode())
        for what, value in _values(field.type):
            yield Wrong(what, name, json.dumps({**base, name: value}).encode())


def _types(kind: inspect.Type) -> list[inspect.Type]:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        return [each for one in kind.types for each in _types(one)]
    return [kind]


def _values(kind: inspect.Type) -> Iterator[tuple[str, Any]]:
    types = _types(kind)
    if any(isinstance(each, inspect.RawType) for each in types):
        return
    taken = {_TAKES[type(each)] for each in types if type(each) in _TAKES}
    for name, value in _KINDS.items():
        if name not in taken:
            yield f"{name} instead", value
    for each in types:
        yield from _beyond(each)


def _beyond(kind: inspect.Type) -> Iterator[tuple[str, Any]]:
    """What is beyond the bounds of one type."""
    match kind:
        case inspect.LiteralType():
            yield "none of these words", "no such word"
        case inspect.StrType():
            yield from _texts(kind)
        case inspect.IntType() | inspect.FloatType():
            yield from _numbers(kind)
        case inspect.ListType():
            yield "with a wrong one", [7]
            yield "too many", ["x"] * ((kind.max_length or 0) + 1)
            if kind.min_length:
                yield "too few", []
        case inspect.DictType():
            yield "with a wrong value", {"assistant": 7}
            yield "with an unknown word", {"assistant": "no such word"}


def _texts(kind: inspect.StrType) -> Iterator[tuple[str, Any]]:
    if kind.pattern:
        yield from (("of another form", "no, not this!"), ("too long", "a" * 1000), ("empty", ""))
    if kind.max_length:
        yield "too long", "a" * (kind.max_length + 1)
    if kind.min_length:
        yield "empty", ""


def _numbers(kind: inspect.IntType | inspect.FloatType) -> Iterator[tuple[str, Any]]:
    if isinstance(kind, inspect.IntType):
        yield "a fraction", 1.5
    if kind.le is not None:
        yield "too large", kind.le * 2
    lowest = kind.ge if kind.ge is not None else kind.gt
    if lowest is not None:
        yield "too small", lowest - 1


def _good(kind: inspect.Type) -> Any:
    first = next(each for each in _types(kind))
    match first:
        case inspect.StrType():
            return CONVERSATION if first.pattern and "[0-9A-Fa-f]" in first.pattern else "ann"
        case inspect.LiteralType():
            return first.values[0]
        case inspect.IntType():
            return first.ge or 0
        case inspect.BoolType():
            return True
        case _:
            return "x"
