"""Somebody who calls RPCs within the process, on a real bus: as a device does over its socket, or as a back
end does over HTTP, without either.
"""

import json
from collections.abc import Mapping
from typing import Any

from services.connection.core.effects import Call, Ref
from services.connection.core.events import Answered
from services.connection.deeds import Deeds
from services.connection.inbound import Inbound
from services.shared.bus.house import Bus
from services.shared.model.ids import UserId
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.tracing import Tracing
from tests.support.inbound import Room
from tests.support.open_bus import fresh_id
from tests.support.permission_cases import DONE, Told


class Indoors:
    """An actor: a user, or `service:<key>`."""

    def __init__(self, bus: Bus, user: str) -> None:
        self.user = user
        self._inbound = Inbound(Deeds(bus, Room(), fresh_id, None, Tracing.off(), SystemClock()))

    async def call(self, method: str, arguments: Mapping[str, Any]) -> tuple[Told, Any]:
        """Call an RPC: the error it was answered with, or DONE and the result."""
        asked = Call(Ref(1), UserId(self.user), method, json.dumps(arguments).encode())
        answer = await self._inbound.perform(asked)
        if isinstance(answer, Answered):
            return DONE, json.loads(answer.result)["data"]
        return (answer.fault.code, answer.fault.message), None

    async def done(self, method: str, **arguments: Any) -> Any:
        """Call one that is to succeed; its result."""
        told, result = await self.call(method, arguments)
        assert told == DONE, told
        return result
