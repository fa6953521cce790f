"""Bytes out of values: LangGraph's msgpack forms, written so that they can surely be read.

LangGraph's own writer writes a value of any type and finds out when reading that it may not be revived. This
one raises UnfitValue at once. Otherwise the bytes are equal, but for what LangGraph refuses (integers beyond
64 bits) or can't rebuild (tuples where only a tuple can be). Called by `serde` alone.
"""

from enum import Enum
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde import jsonplus as stock
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from ormsgpack import Ext

from services.conversation.graph.serde_decode import PAIRS, TUPLE, Decoder
from services.conversation.graph.serde_forms import Writer, big_int, form, kept_tuple, snapshot
from services.conversation.graph.serde_types import Types, UnfitValue, UnreadableValue

OPTION = stock._option | ormsgpack.OPT_PASSTHROUGH_BIG_INT  # noqa: SLF001 - LangGraph's own, for equal bytes
KEEPING = OPTION | ormsgpack.OPT_PASSTHROUGH_TUPLE


DEEPEST = 100
"""Objects within objects; reading takes several calls for each, and must not run out of them where the stack
is deeper than it was for writing."""


class Writers(dict[type, Writer]):
    """How values are written, by type: looked up once for each."""

    def __init__(self, types: Types) -> None:
        super().__init__({int: big_int, tuple: kept_tuple, _DeltaSnapshot: snapshot})
        self.types = types

    def find(self, value: Any) -> Writer:
        """Return how to write a value of a type that was not met before. Raises UnfitValue."""
        writer = form(self.types, value)
        self[type(value)] = writer
        return writer


class Encoder:
    """The writing of one value. `fault` is the first thing that was unfit: msgpack's writer loses what a hook
    raises.
    """

    __slots__ = ("_depth", "_option", "_spreading", "_writers", "fault")

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._option = OPTION
        self._depth = 0
        self._spreading = False
        self.fault: UnfitValue | None = None

    def write(self, value: Any) -> bytes:
        """Return the value's bytes. Raises UnfitValue."""
        try:
            return self.pack(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise self._fault(error, value) from error

    def pack(self, value: Any) -> bytes:
        """Return the bytes of a value or of a part of it."""
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise UnfitValue(f"objects more than {DEEPEST} deep within others can't be kept in a thread")
            if not self._spreading:
                try:
                    return self._pack(value)
                except TypeError:
                    if self.fault is not None:
                        raise
                # Perhaps a key is an integer beyond 64 bits: the hook is not told of keys.
                self._spreading = True
            return self._pack(self._spread(value))
        except TypeError as error:
            if self.fault is not None:
                raise
            raise UnfitValue(f"a value can't be kept in a thread: {error}") from error
        finally:
            self._depth -= 1

    def _pack(self, value: Any) -> bytes:
        return ormsgpack.packb(value, default=self._extension, option=self._option)

    def keep(self, value: Any) -> bytes:
        """Return the bytes of a value whose tuples must be tuples again."""
        before, self._option = self._option, KEEPING
        try:
            return self.pack(value)
        finally:
            self._option = before

    def prove(self, code: int, data: bytes) -> Ext:
        """Return what was written of an unusual value as an extension. Raises UnfitValue if it is not
        readable.
        """
        try:
            Decoder(self._writers.types).revive(code, data)
        except UnreadableValue as error:
            raise UnfitValue(f"a value could not be read back: {error.reason}") from error
        return Ext(code, data)

    def _extension(self, value: Any) -> Ext | str:
        """The hook of msgpack's writer for what it does not know."""
        try:
            writer = self._writers.get(type(value)) or self._writers.find(value)
            return writer(self, value)
        except Exception as error:
            # A type's own code runs here, and may raise anything.
            raise self._fault(error, value) from error

    def _fault(self, error: Exception, value: Any) -> UnfitValue:
        """Return what was unfit first."""
        if self.fault is None:
            fault = error if isinstance(error, UnfitValue) else None
            self.fault = fault or UnfitValue(_unfit(value, error))
        return self.fault

    def _spread(self, value: Any) -> Any:
        """Return a value with each dict that has too big an integer in a key made an extension."""
        if isinstance(value, dict):
            if any(_beyond(key) for key in value):
                return Ext(PAIRS, self.pack([part for key in value for part in (self._key(key), value[key])]))
            return {key: self._spread(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._spread(each) for each in value]
        if type(value) is tuple:
            return tuple(self._spread(each) for each in value)
        return value

    def _key(self, key: Any) -> Any:
        """Return a key as an element of a list: as it would be after it was a key."""
        if isinstance(key, Enum):
            return self._key(key.value)
        if isinstance(key, tuple):
            return Ext(TUPLE, self.pack([self._key(each) for each in key]))
        if _beyond(key):
            return int(key)
        (plain,) = ormsgpack.unpackb(
            ormsgpack.packb({key: None}, option=OPTION), option=ormsgpack.OPT_NON_STR_KEYS
        )
        return plain


def _beyond(key: Any) -> bool:
    """Tell whether a key is an integer beyond 64 bits, or has one in it."""
    if isinstance(key, tuple):
        return any(_beyond(each) for each in key)
    number = key.value if isinstance(key, Enum) else key
    return isinstance(number, int) and not -(2**63) <= number < 2**64


def _unfit(value: Any, error: Exception) -> str:
    kind = type(value)
    return f"a {kind.__module__}:{kind.__qualname__} can't be kept in a thread: {type(error).__name__}"
