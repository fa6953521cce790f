"""How values of each type are written: LangGraph's forms, one after another in the order in which it asks.

A form is an extension code and what stands in it: the type's module and name, and what the type is made of.
Called by `serde_encode` once for each type it meets. Must never let a type through that is not on the
allow-list.
"""

import dataclasses
import inspect
import re
import sys
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from langgraph.checkpoint.serde import jsonplus as stock
from langgraph.checkpoint.serde.types import SendProtocol, _DeltaSnapshot
from langgraph.store.base import Item
from ormsgpack import Ext
from pydantic import BaseModel

from services.conversation.graph.serde_decode import BIG_INT, TUPLE
from services.conversation.graph.serde_types import METHODS, TypeName, Types, UnfitValue

SIMPLE = frozenset({str, int, float, bool, bytes, type(None), UUID, Decimal, datetime, date, timedelta})
"""Types that can be in a set, and still can when they were read back."""


class Packer(Protocol):
    """What a form writes its parts with; see `serde_encode.Encoder`."""

    def pack(self, value: Any) -> bytes:
        """Return the bytes of a part."""
        ...

    def keep(self, value: Any) -> bytes:
        """Return the bytes of a part whose tuples must be tuples again."""
        ...

    def prove(self, code: int, data: bytes) -> Ext:
        """Return an extension if it can be read. Raises UnfitValue."""
        ...


Writer = Callable[[Packer, Any], Ext | str]
Parts = Callable[[Any], Any]
"""What of a value is written beside its type's name. Lists, not tuples: those may have to be kept."""


def form(types: Types, value: Any) -> Writer:
    """Return how values of this one's type are written. Raises UnfitValue if they can't be kept."""
    kind = type(value)
    if isinstance(value, type):
        raise UnfitValue(f"{value.__module__}:{value.__qualname__} is a type; a thread keeps values")
    for attribute, made in BY_METHOD:
        if callable(getattr(value, attribute, None)):
            return made(types.name(kind), kind)
    for kinds, form_of in BY_KIND:
        if isinstance(value, kinds):
            return form_of(types, kind)
    if dataclasses.is_dataclass(value):
        return _dataclass(types, kind)
    if (numpy := sys.modules.get("numpy")) is not None and isinstance(value, numpy.ndarray):
        return _array
    if isinstance(value, BaseException):
        return _exception
    raise UnfitValue(f"{kind.__module__}:{kind.__qualname__} is of no kind that a thread can keep")


# --------------------------------------------------------------------------------------- known by a method


def _model(name: TypeName, kind: type) -> Writer:
    """A pydantic model. What it dumps to are the arguments to make it anew."""
    plain = getattr(kind, "model_dump", None) is BaseModel.model_dump

    def write(packer: Packer, value: Any) -> Ext:
        # What BaseModel.model_dump comes to, without its twenty arguments: this is the hot path.
        fields = value.__pydantic_serializer__.to_python(value) if plain else value.model_dump()
        if not isinstance(fields, dict):
            raise UnfitValue(f"{name[0]}:{name[1]} does not dump to fields, so it could not be made anew")
        return Ext(stock.EXT_PYDANTIC_V2, packer.pack([*name, fields, "model_validate_json"]))

    return write


def _written(code: int, name: TypeName, parts: Parts) -> Writer:
    """The usual form: module, name, parts."""
    return lambda packer, value: Ext(code, packer.pack([*name, parts(value)]))


def _secret(name: TypeName, _: type) -> Writer:
    return _written(stock.EXT_CONSTRUCTOR_SINGLE_ARG, name, lambda value: value.get_secret_value())


def _old_model(name: TypeName, _: type) -> Writer:
    return _written(stock.EXT_PYDANTIC_V1, name, lambda value: value.dict())


def _named_tuple(name: TypeName, _: type) -> Writer:
    return _written(stock.EXT_CONSTRUCTOR_KW_ARGS, name, lambda value: value._asdict())


BY_METHOD: tuple[tuple[str, Callable[[TypeName, type], Writer]], ...] = (
    ("model_dump", _model),
    ("get_secret_value", _secret),
    ("dict", _old_model),
    ("_asdict", _named_tuple),
)

# ------------------------------------------------------------------------------------------ known by type

Form = Callable[[Types, type], Writer]


def _one(parts: Parts) -> Form:
    """A type made from one argument."""
    return lambda types, kind: _written(stock.EXT_CONSTRUCTOR_SINGLE_ARG, types.name(kind), parts)


def _several(parts: Parts) -> Form:
    """A type made from several arguments."""
    return lambda types, kind: _written(stock.EXT_CONSTRUCTOR_POS_ARGS, types.name(kind), parts)


def _named(parts: Parts) -> Form:
    """A type made from arguments with names."""
    return lambda types, kind: _written(stock.EXT_CONSTRUCTOR_KW_ARGS, types.name(kind), parts)


def _collection(types: Types, kind: type) -> Writer:
    """A set's elements must be fit for a set when they are read, so tuples in them stay tuples."""
    name, code = types.name(kind), stock.EXT_CONSTRUCTOR_SINGLE_ARG

    def write(packer: Packer, value: Any) -> Ext:
        if isinstance(value, deque) or SIMPLE.issuperset(map(type, value)):
            return Ext(code, packer.pack([*name, list(value)]))
        return packer.prove(code, packer.keep([*name, list(value)]))

    return write


def _enumeration(types: Types, kind: type) -> Writer:
    """A member is found by its value, so a tuple in it stays a tuple."""
    name, code = types.name(kind), stock.EXT_CONSTRUCTOR_SINGLE_ARG

    def write(packer: Packer, value: Any) -> Ext:
        if type(value.value) in (str, int):
            return Ext(code, packer.pack([*name, value.value]))
        return packer.prove(code, packer.keep([*name, value.value]))

    return write


def _pattern(_: Types, __: type) -> Writer:
    return _written(
        stock.EXT_CONSTRUCTOR_POS_ARGS, ("re", "compile"), lambda value: [value.pattern, value.flags]
    )


def _moment(types: Types, kind: type) -> Writer:
    """Only the standard datetime: LangGraph calls no other's methods."""
    module, name = types.name(kind)
    if (module, name, "fromisoformat") not in METHODS:
        raise UnfitValue(f"{module}:{name} can't be kept in a thread: of datetimes only the standard one can")
    return lambda packer, value: Ext(
        stock.EXT_METHOD_SINGLE_ARG, packer.pack([module, name, value.isoformat(), "fromisoformat"])
    )


def _time(value: time) -> dict[str, Any]:
    names = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
    return {name: getattr(value, name) for name in names}


def _zone(value: ZoneInfo) -> str:
    if value.key is None:
        raise UnfitValue("a time zone without a key can't be kept in a thread")
    return value.key


def _send(value: Any) -> list[Any]:
    timeout = getattr(value, "timeout", None)
    return [value.node, value.arg] if timeout is None else [value.node, value.arg, timeout]


def _dataclass(types: Types, kind: type) -> Writer:
    """All fields, by name, are the arguments to make it anew."""
    fields = [each.name for each in dataclasses.fields(kind)]
    module, name = types.name(kind)
    try:
        inspect.signature(kind).bind(**dict.fromkeys(fields))
    except TypeError as error:
        raise UnfitValue(f"{module}:{name} can't be made anew from its fields: {error}") from error
    return _named(lambda value: {each: getattr(value, each) for each in fields})(types, kind)


def _array(packer: Packer, value: Any) -> Ext:
    """Write a numpy array: the content as it lies in memory."""
    if value.dtype.hasobject:
        raise UnfitValue("a numpy array of objects can't be kept in a thread")
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    parts = [value.dtype.str, list(value.shape), order, value.tobytes(order="A")]
    return Ext(stock.EXT_NUMPY_ARRAY, packer.pack(parts))


BY_KIND: tuple[tuple[type | tuple[type, ...], Form], ...] = (
    (Path, _several(lambda value: list(value.parts))),
    (re.Pattern, _pattern),
    (UUID, _one(lambda value: value.hex)),
    (Decimal, _one(str)),
    ((set, frozenset, deque), _collection),
    ((IPv4Address, IPv4Network, IPv6Address, IPv6Network), _one(str)),
    (datetime, _moment),
    (timedelta, _several(lambda value: [value.days, value.seconds, value.microseconds])),
    (date, _several(lambda value: [value.year, value.month, value.day])),
    (time, _named(_time)),
    (timezone, _several(lambda value: list(value.__getinitargs__()))),
    (ZoneInfo, _one(_zone)),
    (Enum, _enumeration),
    (int, lambda _, __: big_int),
    (SendProtocol, _several(_send)),
    (Item, _named(lambda value: {each: getattr(value, each) for each in Item.__slots__})),
)


# --------------------------------------------------------------------------------------------- of our own


def big_int(_: Packer, value: int) -> Ext:
    """Write an integer beyond 64 bits."""
    return Ext(BIG_INT, int(value).to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def kept_tuple(packer: Packer, value: tuple[Any, ...]) -> Ext:
    """Write a tuple where it must be one again."""
    return Ext(TUPLE, packer.pack(list(value)))


def snapshot(packer: Packer, value: _DeltaSnapshot) -> Ext:
    """Write what a DeltaChannel keeps now and then."""
    return Ext(stock.EXT_DELTA_SNAPSHOT, packer.pack(value.value))


def _exception(_: Packer, value: BaseException) -> str:
    return repr(value)
