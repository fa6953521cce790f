"""The link proxy as a process: stands before servers on loopback and harms what runs through, as it is told.

Started by `links.Links`, which talks to it in lines of JSON over stdin and stdout. Must never outlive its
stdin: the campaign that started it may be killed at any time.
"""

import asyncio
import json
import os
import sys
from fnmatch import fnmatchcase
from typing import Any

import uvloop

from services.local.servers import LOOPBACK, REDIS_PORTS, free_ports
from tests.chaos.links_diallers import UNKNOWN, Diallers
from tests.chaos.links_link import End, Link
from tests.chaos.links_rules import Harm, Rule, harm


class Proxy:
    """Listens for each server it stands before, and keeps rules and links."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._diallers = Diallers()
        self._rules: dict[int, Rule] = {}
        self._links: set[Link] = set()
        self._servers: list[asyncio.Server] = []
        self._dialling: set[asyncio.Task[None]] = set()
        self._last_number = 0

    # -- what one may ask of it: the name of each method is the word in the line -----------------------------

    async def stand(self, name: str, port: int) -> int:
        """Stand before the server `name` that listens (or will) on `port`; the port that leads to it."""
        for _ in range(20):
            (own,) = free_ports(1, REDIS_PORTS)
            try:
                self._servers.append(
                    await self._loop.create_server(lambda: self._accepted(name, port), LOOPBACK, own)
                )
            except OSError:
                continue
            return own
        raise OSError("no free port")

    async def know(self, name: str, pid: int) -> None:
        """The process `pid` is called `name` from now on."""
        self._diallers.know(name, pid)
        self._rules_changed()

    async def add(self, **rule: Any) -> int:
        """A new rule; its number."""
        self._last_number += 1
        self._rules[self._last_number] = Rule(self._last_number, **rule)
        self._rules_changed()
        return self._last_number

    async def heal(self, numbers: list[int]) -> None:
        """End these rules; with no numbers all of them."""
        for number in numbers or list(self._rules):
            self._rules.pop(number, None)
        self._rules_changed()

    async def table(self) -> list[dict[str, Any]]:
        """Every link that is open now."""
        self._name(list(self._links), everybody=True)
        return [
            {
                "source": link.source or UNKNOWN,
                "destination": link.destination,
                "held": link.held,
                "bytes": link.carried,
            }
            for link in self._links
        ]

    # -- links -----------------------------------------------------------------------------------------------

    def _accepted(self, name: str, port: int) -> End:
        return Link(name, self._take_in, lambda link: self._dial(link, port), self._links.discard).dialler

    def _take_in(self, link: Link) -> None:
        self._links.add(link)
        self._name([link])
        link.suffer(self._harm(link))

    def _harm(self, link: Link) -> Harm:
        return harm(self._rules.values(), link.source or UNKNOWN, link.destination)

    def _name(self, links: list[Link], *, everybody: bool = False) -> None:
        """Find out who dialled, where a rule asks: at every connection of a storm it would cost too much."""
        rules = [rule for rule in self._rules.values() if rule.source != "*"]
        unnamed = {link.dialler.ports: link for link in links if not link.source and link.dialler.is_open}
        if not unnamed or not (rules or everybody):
            return

        def matters(name: str) -> bool:
            return everybody or any(fnmatchcase(name, rule.source) for rule in rules)

        for ports, name in self._diallers.names_of(unnamed, matters).items():
            unnamed[ports].source = name

    def _rules_changed(self) -> None:
        self._name(list(self._links))
        for link in list(self._links):
            link.suffer(self._harm(link))

    def _dial(self, link: Link, port: int) -> None:
        task = self._loop.create_task(self._dialled(link, port))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dialled(self, link: Link, port: int) -> None:
        try:
            await self._loop.create_connection(lambda: link.server, LOOPBACK, port)
        except OSError:
            link.abort()


async def _serve() -> None:
    proxy = Proxy()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(0, "rb")
    )
    while line := await lines.readline():
        asked = json.loads(line)
        try:
            answer = {"value": await getattr(proxy, asked["word"])(**asked["arguments"])}
        except Exception as error:  # noqa: BLE001 - a mistaken order is the asker's to know of
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
