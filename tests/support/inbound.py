"""Inbound over ports that answer as a test says."""

import json
from types import SimpleNamespace
from typing import Any

from services.connection.core.effects import Call, Ref
from services.connection.core.events import Answered
from services.connection.deeds import Deeds
from services.connection.inbound import Inbound
from services.shared.model.errors import QueueFull
from services.shared.model.ids import ConversationId, UserId
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.tracing import Tracing

ANN = UserId("ann")
CID = ConversationId("0198c2b0-0000-7000-8000-000000000001")


class Port:
    """Answers every method with one value, or raises it, and remembers how it was called."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **named: Any) -> Any:
            self.calls.append((name, *args, named))
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

        return call


class Room:
    """A brake that notes what it is told."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.told: list[object] = []

    def accepted(self, turns: int) -> None:
        self.told.append(turns)

    def refused(self, error: QueueFull) -> None:
        self.told.append(type(error))


def inbound(brake: Room | None = None, **ports: Any) -> Inbound:
    bus: Any = SimpleNamespace(
        **{name: value if isinstance(value, Port) else Port(value) for name, value in ports.items()}
    )
    off, clock = Tracing.off(), FakeClock()
    return Inbound(Deeds(bus, brake or Room(), new_id=lambda: CID, replicated=None, tracing=off, clock=clock))


async def call(doer: Inbound, method: str, arguments: object) -> Any:
    answer = await doer.perform(Call(Ref(3), ANN, method, json.dumps(arguments).encode()))
    assert answer.ref == 3
    return json.loads(answer.result)["data"] if isinstance(answer, Answered) else answer.fault.code
