"""The outbox shown in docs/clients.md keeps what was not acknowledged, however often it is to deliver."""

import asyncio
import re
from pathlib import Path
from typing import Any

from centrifuge import CentrifugeError

PAGE = Path(__file__).parents[3] / "docs/clients.md"


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
    shown = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown
    names: dict[str, Any] = {}
    exec(shown[1], names)
    server = Server()
    outbox = names["Outbox"](server)
    first, second = outbox.say("c", "one"), outbox.say("c", "two")
    await asyncio.gather(outbox.deliver(), outbox.deliver(), outbox.deliver())
    assert server.took == ["one", "one", "two"]
    assert outbox.sent == [(first, "one"), (second, "two")]
    assert outbox.unsent == []
