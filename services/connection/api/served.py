"""All that back ends can ask for, and the document that describes it. Called by port.py."""

from typing import Any, Protocol

import msgspec

from services.connection.api import openapi
from services.connection.api.beside import Beside, Censuses, Revocations
from services.connection.api.operations import BASE, Asked, Nothing, Operation, Table, of_rpcs
from services.connection.deeds import Deeds
from services.shared.runtime.clock import Clock


class Bus(Protocol):
    """What is needed of the bus beside what deeds.py needs."""

    @property
    def census(self) -> Censuses: ...
    @property
    def revocations(self) -> Revocations: ...


def table(deeds: Deeds, bus: Bus, clock: Clock, version: str) -> Table:
    """All there is to ask for."""
    beside = Beside(deeds, bus.census, bus.revocations, clock)
    operations = [*of_rpcs(deeds), *beside.operations()]
    return Table([*operations, _described(operations, version)])


def _described(operations: list[Operation], version: str) -> Operation:
    async def told(_: Asked) -> bytes:
        return written

    itself = Operation(
        "GET",
        BASE + "openapi.json",
        "openapi",
        "This document.",
        Nothing,
        dict[str, Any],
        (),
        told,
        open=True,
    )
    written = msgspec.json.encode(openapi.document([*operations, itself], version))
    return itself
