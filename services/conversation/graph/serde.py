"""The serialiser of threads: LangGraph's, made strict.

What it writes and reads are LangGraph's msgpack forms, and a value comes back equal to what LangGraph's own
serialiser would give. Three things differ: a type that may not be revived is refused when it is written, not
when a conversation can no longer be read; integers beyond 64 bits are kept, and tuples within sets; what
can't be rebuilt raises instead of coming back as something else. Given to the saver. Must never unpickle,
and never import a module that the allow-list does not name.
"""

from collections.abc import Iterable
from typing import Any, cast

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer, _normalize_module_keys

from services.conversation.graph.serde_decode import Decoder
from services.conversation.graph.serde_encode import Encoder, Writers
from services.conversation.graph.serde_types import (
    TypeName,
    Types,
    UnfitValue,
    UnreadableValue,
    parse_types,
    types_of,
)

__all__ = ["ThreadSerializer", "UnfitValue", "UnreadableValue", "parse_types", "types_of"]


class ThreadSerializer(JsonPlusSerializer):
    """Values of a thread to bytes and back. May be used by several threads at once.

    allowed: (module, name) of the types that may be revived, beside LangGraph's safe ones.
    """

    def __init__(self, allowed: Iterable[TypeName] = ()) -> None:
        self._types = Types(allowed)
        self._writers = Writers(self._types)
        super().__init__(allowed_msgpack_modules=self._types.allowed)

    @property
    def allowed(self) -> frozenset[TypeName]:
        """All types that may be revived."""
        return self._types.allowed

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[tuple[str, ...] | type]) -> "ThreadSerializer":
        """Return a serialiser that allows more."""
        extra = cast(set[TypeName], _normalize_module_keys(extra_allowlist))
        return self if extra <= self.allowed else type(self)(self.allowed | extra)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the name of the value's form, and its bytes. Raises UnfitValue."""
        if obj is None:
            return "null", b""
        if isinstance(obj, bytes):
            return "bytes", bytes(obj)
        if isinstance(obj, bytearray):
            return "bytearray", bytes(obj)
        return "msgpack", Encoder(self._writers).write(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value that was written. Raises UnreadableValue."""
        form, content = data
        if form == "msgpack":
            return Decoder(self._types).read(content)
        if form == "null":
            return None
        if form == "bytes":
            return content
        if form == "bytearray":
            return bytearray(content)
        raise UnreadableValue(f"{len(content)} bytes are of a form that is not known or not read")
