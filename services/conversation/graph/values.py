"""Channel values between what a graph holds and what a thread keeps: serialised whole, or as shared elements.

Called by the saver for each value of a checkpoint. A large list or dict is kept element by element, so that
a version brings only what it added (core/sharing). Which elements are known is told by their bytes, never
by which objects they are: nodes change messages in place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from services.conversation.core.sharing import Known, known_of, share
from services.shared.model.thread import Kind, Shared, Typed

SHARED_FROM = 1024
"""Bytes of a value from which on its elements are shared."""

SHARED_ELEMENT = 64
"""Bytes an element must have on average: each costs Redis about as much beside its content."""

Encoded = tuple[Typed | Shared, Mapping[int, Typed], Known | None]
"""A value, its elements that were not known, and what is known of the channel once they are kept."""

_PLAIN_KEYS = (str, int)
_SCALARS = (int, float, bool, type(None))


class Values:
    """Encodes and decodes with one serialiser."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde

    def encoded(self, value: Any, known: Known) -> Encoded:
        """Serialise a value; known: of the channel's version in the parent. Raises what the serialiser
        raises.
        """
        parts = _parts(value)
        if parts is None:
            return self._serde.dumps_typed(value), {}, None
        # Each in a list of its own, so that what stands in a list is serialised as what stands in a list.
        elements = [self._serde.dumps_typed(part) for part in parts]
        if not _worth_sharing(elements):
            return self._serde.dumps_typed(value), {}, None
        form = elements[0][0]
        sharing = share([content for _, content in elements], known)
        kind = Kind.LIST if type(value) is list else Kind.DICT
        fresh = {number: (form, content) for number, content in sharing.fresh.items()}
        return Shared(kind, sharing.runs), fresh, sharing.known

    def decoded(self, value: Typed | Shared) -> Any:
        """Revive a value. Raises what the serialiser raises."""
        if not isinstance(value, Shared):
            return self._serde.loads_typed(value)
        parts = map(self._serde.loads_typed, value.elements)
        return dict(parts) if value.kind is Kind.DICT else [part[0] for part in parts]


def learnt(value: Typed | Shared) -> Known | None:
    """What a value that was read teaches about its channel's elements."""
    if not isinstance(value, Shared):
        return None
    return known_of(value.runs, [content for _, content in value.elements])


def _parts(value: Any) -> Iterable[list[Any]] | None:
    """What a value may be taken apart into; None: it stays whole."""
    if type(value) is list and len(value) > 1 and not isinstance(value[0], _SCALARS):
        return ([item] for item in value)
    if type(value) is dict and len(value) > 1 and all(type(key) in _PLAIN_KEYS for key in value):
        return ([key, item] for key, item in value.items())
    return None


def _worth_sharing(elements: list[Typed]) -> bool:
    size = sum(len(content) for _, content in elements)
    return size >= SHARED_FROM and size >= SHARED_ELEMENT * len(elements)
