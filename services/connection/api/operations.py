"""What can be asked for over HTTP: one operation for each RPC, and those beside them.

The one table that answering.py serves and openapi.py describes. An RPC that is added to wire/rpc is in it.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import msgspec

from services.connection.api.requests import Actor
from services.connection.deeds import Deeds
from services.shared.wire import codes, rpc
from services.shared.wire.codes import Fault

BASE = "/api/v1/"


class Nothing(msgspec.Struct):
    """No arguments."""


class Asked(NamedTuple):
    """What an operation is given: who asks, what stands in the path, and the body as JSON (`{}`: none)."""

    actor: Actor
    place: Any
    data: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: its path with a place for each of `place`'s fields, the arguments in the body, the result.

    name: as the audit log has it. faults: beside those that any may answer. alone: only for a service as
    itself. open: no key is needed. does: returns the result as JSON; raises ContinuoError.
    """

    verb: str
    path: str
    name: str
    meaning: str
    arguments: type[msgspec.Struct]
    result: Any
    faults: tuple[Fault, ...]
    does: Callable[[Asked], Awaitable[bytes]]
    place: type[msgspec.Struct] = Nothing
    alone: bool = False
    open: bool = False

    @property
    def verbs(self) -> tuple[str, ...]:
        """What it answers to."""
        return (self.verb, "HEAD") if self.verb == "GET" else (self.verb,)


class Table:
    """Finds operations by their paths."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all = tuple(operations)
        self._fixed = {each.path: each for each in self.all if "{" not in each.path}
        self._placed = [(*_parted(each.path), each) for each in self.all if "{" in each.path]

    def find(self, path: str) -> tuple[Operation | None, str]:
        """The operation, and what stands in the place of its path; None: there is no such route."""
        if path in self._fixed:
            return self._fixed[path], ""
        for before, behind, operation in self._placed:
            if path.startswith(before) and path.endswith(behind):
                said = path[len(before) : len(path) - len(behind)]
                if said and "/" not in said:
                    return operation, said
        return None, ""


def of_rpcs(deeds: Deeds) -> list[Operation]:
    """One for each RPC."""
    return [
        Operation(
            "POST",
            BASE + name.replace(".", "/"),
            name,
            method.meaning,
            method.arguments,
            method.result,
            method.faults if codes.REFUSED in method.faults else (*method.faults, codes.REFUSED),
            partial(_call, deeds, name),
        )
        for name, method in rpc.METHODS.items()
    ]


async def _call(deeds: Deeds, name: str, asked: Asked) -> bytes:
    return await deeds.call(asked.actor.name, name, asked.data)


def _parted(path: str) -> tuple[str, str]:
    before, _, rest = path.partition("{")
    return before, rest.partition("}")[2]
