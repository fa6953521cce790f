"""`continuo probe`: one conversation through a real server, with a cut and a resume, and whether it held.

Called by the command line and by `helm test`. Two devices of one user, on the official client, follow a
conversation of their own. One is cut off without a goodbye, the other goes on speaking, and the first must
come back from its position with nothing missed and nothing twice. The conversation is deleted afterwards,
and what it asked agents is cancelled: a probe costs no answer. Must never look at another conversation.
"""

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from centrifuge import (
    CentrifugeError,
    Client,
    ClientDisconnectedError,
    ClientEventHandler,
    ReplyError,
    SubscriptionEventHandler,
)

from services.local.device import new_id, proxy_for
from services.local.ending import LocalError, ending_in_a_line, say
from services.local.home import Home
from services.local.resumed import Heard, fault_in
from services.local.tokens import issue_now
from services.shared.model.ids import Channel

USER = "continuo-probe"
WITHIN_S = 30
TOKEN_TTL_S = 600
PATH = "/connection/websocket"
_AGAIN_S = 0.2
_STEP_S = 5.0
"""What deleting gets when everything else failed."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", type=address, help=f"ws://host:port, or wss; {PATH} is added")
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--token", help="a connection token; its user makes and deletes the conversation")
    known.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="makes a token with the secret in this file"
    )
    parser.add_argument("--within", type=float, default=WITHIN_S, metavar="SECONDS", help="for all of it")
    parser.epilog = "Exit code 0: it held; 1: it did not, and the last line says why."


def address(text: str) -> str:
    """An argument that names a server. Raises ArgumentTypeError for what is no WebSocket address."""
    parts = urlsplit(text)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; ws://host:port or wss://host is")
    return text if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}{PATH}"


def run(given: argparse.Namespace) -> int:
    return ending_in_a_line("probe", _probed(given))


async def _probed(given: argparse.Namespace) -> int:
    probe = Probe(given.url, _token(given), given.within)
    try:
        async with asyncio.timeout(given.within):
            held = await probe.run()
    except TimeoutError as late:
        raise LocalError(f"not within {given.within:g} s: {probe.doing}") from late
    say(f"continuo probe: {held}")
    return 0


def _token(given: argparse.Namespace) -> str:
    if given.token:
        return str(given.token)
    if given.secret_file:
        secret = given.secret_file.read_text().strip()
        if not secret:
            raise LocalError(f"{given.secret_file} is empty; it must hold the secret of tokens")
    else:
        secret = Home.of(os.environ).known_secret(os.environ)
    return issue_now(secret, USER, TOKEN_TTL_S)


class Probe:
    """One probe of one server. within_s: how long to wait for a connection, whatever the SDK thinks of that.
    doing: the step under way, in words, for whoever stops it.
    """

    def __init__(self, url: str, token: str, within_s: float = WITHIN_S) -> None:
        self._url = url
        self._token = token
        self._within_s = within_s
        self.doing = ""

    async def run(self) -> str:
        """The sentence that says what held. Raises LocalError for what did not."""
        async with self._device() as traveller, self._device() as witness:
            self.doing = "making a conversation"
            conversation = new_id()
            await _ask(witness, "conversation.create", id=conversation, title="a probe of continuo")
            try:
                heard = await self._travelled(conversation, traveller, witness)
            except BaseException:
                with contextlib.suppress(LocalError, TimeoutError):  # what failed first is what is told
                    await _deleted(witness, conversation)
                raise
            self.doing = "deleting the conversation"
            await _deleted(witness, conversation)
        return f"{heard} events in order, some of them recovered behind a cut: none missed, none twice"

    @asynccontextmanager
    async def _device(self) -> AsyncIterator[Client]:
        """A connected device. Raises LocalError when the server does not take it."""
        self.doing = f"connecting to {self._url}"
        door = Door()
        client = Client(
            self._url,
            events=door,
            token=self._token,
            name="continuo-probe",
            proxy=proxy_for(self._url),
            timeout=_STEP_S,
        )
        try:
            await client.connect()
            await client.ready(self._within_s)
            yield client
        except ClientDisconnectedError as refused:
            raise LocalError(
                f"{self._url} does not take the connection: {door.ended or refused}"
            ) from refused
        except CentrifugeError as failed:
            raise LocalError(f"{self.doing}: {failed or type(failed).__name__}") from failed
        finally:
            await client.disconnect()
            # The SDK closes the socket in the background, and does not wait for it.
            await asyncio.gather(*client._background_tasks, return_exceptions=True)  # noqa: SLF001

    async def _travelled(self, conversation: str, traveller: Client, witness: Client) -> int:
        """How many events both heard. Raises LocalError when they did not hear the same."""
        self.doing = "following the conversation"
        news = asyncio.Event()
        one, other = Ear(news), Ear(news)
        for client, ear in ((traveller, one), (witness, other)):
            channel = Channel.of_conversation(conversation).name
            await client.new_subscription(channel, events=ear).subscribe()
        await _until(news, lambda: one.sessions == other.sessions == 1, one, other)
        self.doing = "hearing what was said"
        said = [await _said(traveller, conversation), await _said(witness, conversation)]
        await _until(news, lambda: one.has(said) and other.has(said), one, other)
        await _cut(traveller)
        said += [await _said(witness, conversation), await _said(witness, conversation)]
        self.doing = "resuming behind the cut"
        await traveller.connect()
        await _until(news, lambda: one.sessions > 1, one, other)
        if not one.recovered:
            raise LocalError("the server did not recover the position that it had given before the cut")
        said.append(await _said(witness, conversation))
        self.doing = "hearing what was said since the cut"
        # Of the last one only: had another been lost, it would never come, and is to be named.
        await _until(news, lambda: one.has(said[-1:]) and other.has(said[-1:]), one, other)
        if fault := fault_in(one.heard, other.heard, said):
            raise LocalError(fault)
        return len(one.heard)


class Door(ClientEventHandler):  # type: ignore[misc]  # the SDK ships no types
    """Why the server put a device out for good; empty as long as it did not."""

    def __init__(self) -> None:
        self.ended = ""

    async def on_disconnected(self, ctx: Any) -> None:
        self.ended = f"{ctx.reason} ({ctx.code})"


class Ear(SubscriptionEventHandler):  # type: ignore[misc]  # the same
    """What one device heard in the conversation, over all its sessions. news: set at whatever is new."""

    def __init__(self, news: asyncio.Event) -> None:
        self._news = news
        self.heard: list[Heard] = []
        self.sessions = 0
        self.recovered = False
        self.ended = ""

    async def on_subscribed(self, ctx: Any) -> None:
        self.sessions += 1
        self.recovered = bool(ctx.recovered)
        self._news.set()

    async def on_unsubscribed(self, ctx: Any) -> None:
        self.ended = f"{ctx.reason} ({ctx.code})"
        self._news.set()

    async def on_publication(self, ctx: Any) -> None:
        event = ctx.pub.data
        if ctx.pub.offset and not event["type"].endswith(".delta"):  # recovery carries no deltas
            self.heard.append(Heard(ctx.pub.offset, event["type"], str(event.get("message", ""))))
        self._news.set()

    def has(self, said: list[str]) -> bool:
        """Whether all messages came, the last of them too."""
        return {each.message for each in self.heard} >= set(said)


async def _until(news: asyncio.Event, condition: Callable[[], bool], *ears: Ear) -> None:
    """Wait until it holds. Raises LocalError when one of the devices was put out instead."""
    while not condition():
        for ended in filter(None, (ear.ended for ear in ears)):
            raise LocalError(f"the server ended the subscription: {ended}")
        news.clear()
        await news.wait()


async def _said(client: Client, conversation: str) -> str:
    """Say something, and have nobody answer; the message's id."""
    message = new_id()
    await _ask(client, "conversation.send", conversation=conversation, id=message, text="Is this heard?")
    with contextlib.suppress(LocalError):
        await _ask(client, "conversation.cancel", conversation=conversation)
    return message


async def _cut(client: Client) -> None:
    """Break the socket as a dying network does; come back only when told to."""
    client._conn.transport.abort()  # noqa: SLF001 - the SDK closes with a goodbye only
    await client.disconnect()


async def _deleted(client: Client, conversation: str) -> None:
    async with asyncio.timeout(_STEP_S):
        await _ask(client, "conversation.delete", conversation=conversation)


async def _ask(client: Client, method: str, **arguments: Any) -> Any:
    """Call until it is not told to try again. Raises LocalError with the server's reason."""
    while True:
        try:
            return (await client.rpc(method, arguments)).data
        except ReplyError as refused:
            if not refused.temporary:
                raise LocalError(f"{method} was refused: {refused.message} ({refused.code})") from refused
            await asyncio.sleep(_AGAIN_S)
        except CentrifugeError as error:
            raise LocalError(f"{method} was not answered: {error or type(error).__name__}") from error
