"""The outbox shown in docs/clients.md keeps what was not acknowledged, however often it is to deliver."""

import asyncio
from typing import Any

from centrifuge import CentrifugeError

from tests.support.shown_client import shown


class Server:
    """Loses the reply to its first call; answers the others a little later."""

    def __init__(self) -> None:
        self.took: list[str] = []

    async def rpc(self, _: str, message: dict[str, str]) -> Any:
        self.took.append(message["text"])
        await asyncio.sleep(0)
        if len(self.took) == 1:
            raise CentrifugeError("no reply")
        return type("Reply", (), {"data": message["text"]})


async def test_two_deliveries_at_once_send_everything_once_acknowledged_and_in_order() -> None:
    server = Server()
    outbox = shown().Outbox(server)
    first, second = outbox.say("c", "one"), outbox.say("c", "two")
    await asyncio.gather(outbox.deliver(), outbox.deliver(), outbox.deliver())
    assert server.took == ["one", "one", "two"]
    assert outbox.sent == [(first, "one"), (second, "two")]
    assert outbox.unsent == []
