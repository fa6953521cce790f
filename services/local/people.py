"""People of a conversation from the chat: `/members`, `/who`, `/invite` and the like. Called by `talk`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.local.conversations import when
from services.local.device import Device
from services.local.terminal import Terminal

ROLES = ("owner", "member", "reader")
PAGE = 1000


class People:
    """The commands. where: the device, and the conversation that the person is in; left: goes elsewhere from
    one that the person left. Each command raises ValueError for what cannot be meant, RefusedError.
    """

    def __init__(
        self,
        terminal: Terminal,
        where: Callable[[], tuple[Device, str]],
        left: Callable[[str], Awaitable[None]],
    ) -> None:
        self._terminal = terminal
        self._where = where
        self._left = left
        self._listed: list[Mapping[str, Any]] = []
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/members": self._members,
            "/who": self._who,
            "/invite": self._invite,
            "/invitations": self._invitations,
            "/accept": self._accept,
            "/decline": self._decline,
            "/role": self._role,
            "/rename": self._rename,
            "/leave": self._leave,
        }

    async def _members(self, _: str) -> None:
        after, more = None, True
        while more:
            page = await self._here("conversation.members.list", limit=PAGE, after=after)
            self._terminal.write("".join(map(_member, page["members"])))
            after, more = page["members"][-1]["user"] if page["members"] else None, page["more"]

    async def _who(self, _: str) -> None:
        device, conversation = self._where()
        after, more = None, True
        while more:
            page = await self._here("conversation.presence", limit=PAGE, after=after)
            typing = device.followed[conversation].typists.now(asyncio.get_running_loop().time())
            self._terminal.write("".join(_attendee(one, typing) for one in page["users"]))
            after, more = page["users"][-1]["user"] if page["users"] else None, page["more"]

    async def _invite(self, words: str) -> None:
        user, role = _user_and_role(words, "/invite user [owner, member or reader]")
        await self._here("conversation.members.invite", user=user, role=role or "member")
        self._terminal.note(f"{user} is asked")

    async def _invitations(self, _: str) -> None:
        found = await self._look()
        self._terminal.write(shown(found))
        if not found:
            self._terminal.note("nobody asks you anywhere")

    async def _accept(self, number: str) -> None:
        await self._answer("conversation.members.accept", number)  # what follows is told by `welcome` of talk

    async def _decline(self, number: str) -> None:
        declined = await self._answer("conversation.members.decline", number)
        self._terminal.note(f"you do not come into {declined['title'] or declined['conversation']!r}")

    async def _role(self, words: str) -> None:
        user, role = _user_and_role(words, "/role user owner, member or reader")
        if not role:
            raise ValueError(f"/role {user} with one of {', '.join(ROLES)}")
        await self._here("conversation.members.role", user=user, role=role)

    async def _rename(self, title: str) -> None:
        if not title:
            raise ValueError("/rename title")
        await self._here("conversation.rename", title=title)

    async def _leave(self, words: str) -> None:
        if words:
            raise ValueError("/leave leaves the conversation you are in; to leave another, /open it first")
        here = self._where()[1]
        await self._here("conversation.leave")
        self._terminal.note("you left")
        await self._left(here)

    async def _here(self, method: str, **arguments: object) -> Any:
        device, conversation = self._where()
        return await device.call(method, {"conversation": conversation, **arguments})

    async def _look(self) -> Sequence[Mapping[str, Any]]:
        device, _ = self._where()
        self._listed = (await device.call("conversation.invitations", {}))["invitations"]
        return self._listed

    async def _answer(self, method: str, number: str) -> Mapping[str, Any]:
        """A number means what it meant when the list was seen."""
        found = self._listed or await self._look()
        asked = chosen(number, len(found))
        device, _ = self._where()
        await device.call(method, {"conversation": found[asked - 1]["conversation"]})
        self._listed = []
        return found[asked - 1]


def _member(one: Mapping[str, Any]) -> str:
    read = f"  (has read to {one['read']})" if one.get("read") else ""
    return f"{one['role']:>8}  {one['user']}{read}\n"


def _attendee(one: Mapping[str, Any], typing: Sequence[str]) -> str:
    user, state = one["user"], one["state"]
    more = ""
    if state == "present":
        more = f"  ({one['connections']} devices)" if one["connections"] > 1 else ""
        more += "  types" if user in typing else ""
    elif seen := one.get("last_seen"):
        more = f"  last seen {when(seen)}"
    return f"{state:>8}  {user}{more}\n"


def shown(invitations: Sequence[Mapping[str, Any]]) -> str:
    """What is written for them."""
    lines = [
        f"{number:>4}  {one['title'] or one['conversation']}: {one['by']} asks you in as {one['role']}\n"
        for number, one in enumerate(invitations, start=1)
    ]
    return "".join(lines)


def chosen(number: str, many: int) -> int:
    """Which of so many; 1 where none is said. Raises ValueError."""
    if not many:
        raise ValueError("nobody asks you anywhere")
    if not (number or "1").isdecimal() or not 1 <= int(number or "1") <= many:
        raise ValueError(f"there are invitations 1 to {many}: /invitations")
    return int(number or "1")


def _user_and_role(words: str, usage: str) -> tuple[str, str]:
    user, *more = words.split()[:3] or [""]
    if not user or len(more) > 1:
        raise ValueError(usage)
    if more and more[0] not in ROLES:
        raise ValueError(f"{more[0]!r} is no role: {usage}")
    return user, more[0] if more else ""
