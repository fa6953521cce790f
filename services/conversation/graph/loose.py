"""What an execution wrote since a replica confirmed one of its writes: a failover may take that back.

A checkpoint behind it would find it missing (saver); behind the last one there is none, so an execution's
saver repeats these before anybody is told that the graph came to its end.
"""

from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Loose(Generic[Item]):
    """Writes in their order."""

    def __init__(self) -> None:
        self._numbers = count()
        self._held: dict[int, Item] = {}

    def mark(self) -> list[int]:
        """Name what is here now, to be called before a write that is waited for."""
        return list(self._held)

    def confirmed(self, mark: list[int]) -> None:
        """Drop what was here at a mark: a replica has a later write."""
        for number in mark:
            self._held.pop(number, None)

    def add(self, item: Item) -> None:
        """Note a write that was carried out and not waited for."""
        self._held[next(self._numbers)] = item

    def taken(self) -> list[Item]:
        """Take all of them out."""
        items = list(self._held.values())
        self._held.clear()
        return items
