"""Values out of bytes: LangGraph's msgpack forms, read strictly.

LangGraph's own reader returns something else where a value can't be rebuilt: its raw parts, or None. This
one raises UnreadableValue. Otherwise both give equal values. Called by `serde` alone. Must never look up a
type that the allow-list does not name, and never quote what it reads.
"""

from collections.abc import Callable
from typing import Any

import ormsgpack
from langchain_core.load.serializable import Serializable
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.serde import jsonplus as stock
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Send
from pydantic import BaseModel

from services.conversation.graph.serde_types import METHODS, Types, UnreadableValue, shown

BIG_INT = 64
"""Extension codes of ours. An integer beyond 64 bits: its bytes, big end first, signed."""
PAIRS = 65
"""A dict with such integers in its keys: keys and values in turn."""
TUPLE = 66
"""A tuple that must be one again, to be in a set, a key or an enumeration's value: elsewhere it is a list."""

PAIR, END, END_VALUE = b"\x92", b"\xa3end", "end"
"""msgpack's reader stops silently where the value does. So it is given a list of two, the second of which
must be found."""

PLAIN_INITS = frozenset(
    kind.__init__
    for kind in (BaseModel, Serializable, BaseMessage, HumanMessage, AIMessage, SystemMessage, ToolMessage)
)
"""Constructors that only hand a model's fields to its validator, given no `content_blocks`: the validator can
be called at once, in half the time."""


class Decoder:
    """The reading of one value. `fault` is the first thing that was wrong: msgpack's reader loses what a hook
    raises.
    """

    __slots__ = ("fault", "types")

    def __init__(self, types: Types) -> None:
        self.types = types
        self.fault: UnreadableValue | None = None

    def read(self, data: bytes) -> Any:
        """Return the value. Raises UnreadableValue."""
        try:
            return self.unpack(data)
        except (ValueError, RecursionError) as error:
            raise self._fault(error, f"{len(data)} bytes are no whole msgpack value") from error

    def revive(self, code: int, data: bytes) -> Any:
        """Return what an extension stands for: the hook of msgpack's reader."""
        try:
            read = READERS.get(code)
            if read is None:
                raise UnreadableValue(f"extension code {code} is not known")
            return read(self, data)
        except Exception as error:
            # A type's own code runs here, and may raise anything.
            raise self._fault(error, f"{len(data)} bytes of extension {code} can't be rebuilt") from error

    def unpack(self, data: bytes) -> Any:
        """Return the value, or a part of it. Raises ValueError."""
        framed = b"".join((PAIR, data, END))
        value, end = ormsgpack.unpackb(framed, ext_hook=self.revive, option=ormsgpack.OPT_NON_STR_KEYS)
        if type(end) is not str or end != END_VALUE:
            raise ValueError("the value ends before the bytes do")
        return value

    def _fault(self, error: Exception, reason: str) -> UnreadableValue:
        """Return what was wrong first."""
        if self.fault is None:
            fault = error if isinstance(error, UnreadableValue) else None
            self.fault = fault or UnreadableValue(f"{reason}: {type(error).__name__}")
        return self.fault


def _model(decoder: Decoder, data: bytes) -> Any:
    """A pydantic model. One that no longer validates comes back unvalidated, as with LangGraph."""
    module, name, fields, _ = decoder.unpack(data)
    kind = decoder.types.find(module, name)
    try:
        if kind.__init__ in PLAIN_INITS and "content_blocks" not in fields:
            made = kind.__new__(kind)
            kind.__pydantic_validator__.validate_python(dict(fields), self_instance=made)
            return made
        return kind(**fields)
    except Exception:  # noqa: BLE001 - whatever a model's validators raise
        return kind.model_construct(**fields)


def _old_model(decoder: Decoder, data: bytes) -> Any:
    """A model of pydantic 1."""
    module, name, fields = decoder.unpack(data)
    kind = decoder.types.find(module, name)
    try:
        return kind(**fields)
    except Exception:  # noqa: BLE001 - whatever a model's validators raise
        return kind.construct(**fields)


def _of_one(decoder: Decoder, data: bytes) -> Any:
    module, name, value = decoder.unpack(data)
    return decoder.types.find(module, name)(value)


def _of_several(decoder: Decoder, data: bytes) -> Any:
    module, name, values = decoder.unpack(data)
    kind = decoder.types.find(module, name)
    if kind is Send and len(values) == 3:
        return Send(values[0], values[1], timeout=values[2])
    return kind(*values)


def _of_named(decoder: Decoder, data: bytes) -> Any:
    module, name, values = decoder.unpack(data)
    return decoder.types.find(module, name)(**values)


def _of_method(decoder: Decoder, data: bytes) -> Any:
    module, name, value, method = decoder.unpack(data)
    if (module, name, method) not in METHODS:
        raise UnreadableValue(f"a method of {shown(module, name)} may not be called")
    return getattr(decoder.types.find(module, name), method)(value)


def _array(decoder: Decoder, data: bytes) -> Any:
    import numpy as np  # noqa: PLC0415 - what was written with it is read with it; nothing else needs it

    kind, shape, order, content = decoder.unpack(data)
    return np.frombuffer(content, dtype=np.dtype(kind)).reshape(shape, order=order)


def _snapshot(decoder: Decoder, data: bytes) -> Any:
    return _DeltaSnapshot(decoder.unpack(data))


def _pairs(decoder: Decoder, data: bytes) -> Any:
    pairs = decoder.unpack(data)
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _tuple(decoder: Decoder, data: bytes) -> Any:
    return tuple(decoder.unpack(data))


def _big_int(_: Decoder, data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


READERS: dict[int, Callable[[Decoder, bytes], Any]] = {
    stock.EXT_CONSTRUCTOR_SINGLE_ARG: _of_one,
    stock.EXT_CONSTRUCTOR_POS_ARGS: _of_several,
    stock.EXT_CONSTRUCTOR_KW_ARGS: _of_named,
    stock.EXT_METHOD_SINGLE_ARG: _of_method,
    stock.EXT_PYDANTIC_V1: _old_model,
    stock.EXT_PYDANTIC_V2: _model,
    stock.EXT_NUMPY_ARRAY: _array,
    stock.EXT_DELTA_SNAPSHOT: _snapshot,
    BIG_INT: _big_int,
    PAIRS: _pairs,
    TUPLE: _tuple,
}
