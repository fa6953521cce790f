"""`continuo chat`: talk in conversations from this terminal.

Called by the command line. Takes its servers and the secret for its token from what `continuo up` left in
this folder, unless told otherwise. Must never lose what was typed: see `outbox` and `unsent`.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable

from services.local.device import Device, NobodyAnswersError
from services.local.ending import LocalError, ending_in_a_line, stops_on_signals
from services.local.home import DEFAULT_SERVERS, Home
from services.local.talk import Talk
from services.local.terminal import Terminal
from services.local.tokens import issue_now, user_name, user_of
from services.local.unsent import unsent_of
from services.shared.model.ids import is_agent

DEFAULT_USER = "alice"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=user_name, help="who talks (the token's user, else alice)")
    parser.add_argument("--token", help="the user's token; made from this folder's secret when not given")
    parser.add_argument(
        "--server", action="append", metavar="URL", help="ws://.../connection/websocket; twice for two"
    )
    parser.add_argument("--conversation", metavar="ID", help="open this one")
    parser.add_argument(
        "--agents", type=agent_names, default=(), metavar="A,B", help="make a conversation with these agents"
    )


def agent_names(text: str) -> list[str]:
    """An argument that names agents. Raises ArgumentTypeError when one can't be."""
    names = text.split(",")
    if wrong := [name for name in names if not is_agent(name)]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no agent: 1 to 64 of letters, digits, _ and -")
    return names


def run(given: argparse.Namespace) -> int:
    return ending_in_a_line("chat", _chat(given, Home.of(os.environ)))


async def _chat(given: argparse.Namespace, home: Home) -> int:
    running = home.running()
    servers = given.server or (running.servers if running else list(DEFAULT_SERVERS))
    user = _user(given)
    token = _token(given, user, home)
    terminal = Terminal(f"{user}> ")
    talk = Talk(terminal, unsent_of(home.folder, user, given.server or ()), given.agents, user)
    device = Device(servers, token, talk, name="continuo-chat")
    with terminal.restored():
        async with stops_on_signals():
            try:
                await talk.begin(device, given.conversation)
                await _until_left(talk)
            except NobodyAnswersError as error:
                tried = " and ".join(servers)
                raise LocalError(f"{error}; tried {tried}. Is `continuo up` running?") from error
            finally:
                await device.close()
    return 0


def _user(given: argparse.Namespace) -> str:
    """Who talks. Raises LocalError when the token is for somebody else: unsent messages wait by user."""
    if not given.token:
        return given.user or DEFAULT_USER
    user = user_of(given.token)
    if given.user not in {None, user}:
        raise LocalError(f"the token is for {user!r}, not for {given.user!r}: leave out --user")
    return user


def _token(given: argparse.Namespace, user: str, home: Home) -> Callable[[], Awaitable[str]]:
    secret = "" if given.token else home.known_secret(os.environ)

    async def token() -> str:
        return given.token or issue_now(secret, user)

    return token


async def _until_left(talk: Talk) -> None:
    async with asyncio.TaskGroup() as work:
        beside = work.create_task(talk.work())
        await talk.type_lines()
        beside.cancel()
