"""A person's conversations on one terminal: commands typed, messages sent and shown.

Called by `chat`. What can be done is in rooms of its own: `messages`, `conversations`, `people`, `answers`,
`ways_back`; what was said waits in `outbox`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.local.answers import Answers
from services.local.composing import Composing, Reading
from services.local.conversations import Conversations
from services.local.device import Device, new_id
from services.local.ending import LocalError
from services.local.following import Watcher
from services.local.messages import Messages
from services.local.outbox import LAST_TRY_S, Outbox, count
from services.local.people import People
from services.local.terminal import Terminal
from services.local.unsent import Unsent, UnsentFiles
from services.local.view import View
from services.local.ways_back import WaysBack
from services.shared.runtime.clock import SystemClock

HELP = """\
/new [title]    a new conversation        /list         all conversations, and what is unread
/open number    go to one of them         /add user     let somebody in
/mute [8]       quiet, for good or for so many hours; /mute off
/archive        put away; /archive off    /history [20] what was said, each with its number
/reply 12 text  reply to message 12       /react 12 +1    a reaction to it; /react 12 +1 off
/correct 12 text  say one's own in other words; nobody answers anew        /delete 12  take it away
/cancel         stop the answer
/answer text    answer what is asked; /answer 2 text where several things are
/checkpoints    where one can go back to; 1 is the last
/again [1]      have that answered anew      /edit 1 text  say it in other words, and have it answered
/rewind [1]     take it out; with each of these goes all that came of it
/members        who is in it, as what     /who          who is there, and was when
/rename title   another title             /leave        go out of this one
/invite user [role]  ask somebody in      /role user role  owner, member or reader
/invitations    who asks you in; /accept [1], /decline [1]
/help           this                      /quit         leave (so does Ctrl-D)
Anything else is said in the conversation."""


INVITATIONS = 1000
"""Conversations that wait to be followed. Policy beyond it: /list shows them all the same."""


class Talk(Watcher):
    """What the person, `user`, sees of the device, and does with it."""

    def __init__(
        self, terminal: Terminal, files: UnsentFiles, agents: Sequence[str] = (), user: str = ""
    ) -> None:
        self._terminal = terminal
        self._agents = agents
        self._user = user
        self._device: Device | None = None
        self._current = ""
        self._views: dict[str, View] = {}
        self._news: set[str] = set()
        """Conversations of which it was told that there is news."""
        self._outbox = Outbox(terminal, files, lambda: self.device)
        self._reading = Reading(lambda: self.device)
        self._composing = Composing(terminal, self._where)
        self._answers = Answers(terminal, self._where)
        self._conversations = Conversations(terminal, self._where, self._reading.told, SystemClock().now_ms)
        self._invitations: asyncio.Queue[str] = asyncio.Queue(INVITATIONS)
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/new": self._new,
            "/open": self._open_numbered,
            "/add": self._add,
            "/cancel": self._cancel,
            "/help": self._help,
            **self._conversations.commands,
            **Messages(terminal, self._where, self._say, user).commands,
            **self._answers.commands,
            **WaysBack(terminal, self._where).commands,
            **People(terminal, self._where, self._elsewhere).commands,
        }

    @property
    def device(self) -> Device:
        assert self._device is not None, "set by begin"
        return self._device

    async def begin(self, device: Device, conversation: str | None) -> None:
        """Connects, finds the user's conversations and opens one: the given, the newest, or a new one; a new
        one where agents are named.
        """
        self._device = device
        await device.connect()
        self._terminal.note(f"connected to {device.server}; /help shows what you can type")
        if left := self._outbox.waiting:
            self._terminal.note(f"sending what an earlier chat left unsent: {count(left)}")
        known = await self._conversations.ids()
        newest = "" if self._agents or not known else known[0]
        title = f"with {', '.join(self._agents)}" if self._agents else "first conversation"
        await self._open(conversation or newest or await self._made(title))

    async def type_lines(self) -> None:
        """Does what is typed until /quit or the end of input. What came through a pipe is then sent and
        answered, however long that takes; a person does not wait long.
        """
        async for line in self._terminal.lines():
            if line.strip() == "/quit":
                break
            try:
                await self._do(line.strip())
            except (LocalError, ValueError, OSError) as error:
                self._terminal.note(str(error))
        if self._terminal.interactive:
            await self._outbox.try_once_more()
        else:
            await self._outbox.sent()
            await self._answered()

    async def work(self) -> None:
        """Sends, follows and tells what there is, beside the typing, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in (self.deliver, self.welcome, self._reading.tell, self._composing.tell):
                tasks.create_task(each())

    async def deliver(self) -> None:
        """Sends what was said, one by one, until cancelled."""
        await self._outbox.deliver()

    async def welcome(self) -> None:
        """Follows conversations the user is let into meanwhile, until cancelled."""
        while True:
            conversation = await self._invitations.get()
            if conversation in self.device.followed:
                continue
            try:
                await self._conversations.refreshed()
                await self.device.follow(conversation)
            except LocalError:
                continue
            self._terminal.note(f"you were let into {self._conversations.title(conversation)!r}: /list")

    # -- what the device tells -------------------------------------------------------------------------------

    def changed(self, conversation: str) -> None:
        if conversation == self._current:
            self._show()
        elif (
            conversation in self._views
            and conversation not in self._news
            and not self._conversations.muted(conversation)
            and self._views[conversation].behind(self.device.followed[conversation].log.lines())
        ):
            self._news.add(conversation)
            self._terminal.note(f"news in {self._conversations.title(conversation)!r}: /list")

    def told(self, conversation: str, note: str) -> None:
        if conversation == self._current:
            self._terminal.note(note)

    def typing(self, conversation: str, user: str) -> None:
        """Not in the middle of what somebody says, nor of oneself on another device."""
        if conversation == self._current and user != self._user and not self._terminal.amid:
            self._terminal.note(f"{user} types ...")

    def named(self, conversation: str, by: str) -> None:
        """Also where it is muted: somebody means this person."""
        if conversation != self._current:
            self._terminal.note(f"{by} names you in {self._conversations.title(conversation)!r}: /list")

    def marked(self, conversation: str, muted_ms: int | None) -> None:
        self._conversations.marked(conversation, muted_ms)

    def invited(self, conversation: str, title: str) -> None:
        self._conversations.called(conversation, title)
        if not self._invitations.full():
            self._invitations.put_nowait(conversation)

    def busy(self) -> None:
        self._terminal.note("too much waits to be answered just now; what you said is sent again by itself")

    def connection(self, note: str) -> None:
        if note:
            self._terminal.note(note)

    def over(self, why: str) -> None:
        self._terminal.note(f"disconnected for good: {why}; what you say is kept for the next chat")

    # -- what the person does --------------------------------------------------------------------------------

    async def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if command := self._commands.get(word):
            await command(rest.strip())
        elif line.startswith("/"):
            self._terminal.note(f"{word} is no command: /help")
        elif line:
            await self._say(line)

    async def _say(self, text: str, reply_to: str = "") -> None:
        unsent = Unsent(self._current, new_id(), text, reply_to)
        self._composing.said()
        if self._terminal.interactive:
            self._views[self._current].mine.add(unsent.message)
        await self._outbox.say(unsent)

    async def _new(self, title: str) -> None:
        await self._open(await self._made(title or "conversation"))

    async def _open_numbered(self, number: str) -> None:
        known = await self._conversations.ids()
        if number in known:
            return await self._open(number)
        if not number.isdigit() or not 1 <= int(number) <= len(known):
            raise ValueError(f"there are conversations 1 to {len(known)}: /list")
        return await self._open(known[int(number) - 1])

    async def _open(self, conversation: str) -> None:
        self._current = conversation
        self._news.discard(conversation)
        self._terminal.note(f"in {self._conversations.title(conversation)!r}")
        self._views.setdefault(conversation, View(self._user))
        if conversation not in self.device.followed:
            await self.device.follow(conversation)
        self._show()

    async def _elsewhere(self, left: str) -> None:
        """Into the newest other conversation; a new one where there is none."""
        await self.device.unfollow(left)
        self._views.pop(left, None)
        others = [each for each in await self._conversations.ids() if each != left]
        await self._open(others[0] if others else await self._made("conversation"))

    async def _add(self, user: str) -> None:
        await self.device.call("conversation.members.add", {"conversation": self._current, "user": user})

    async def _cancel(self, _: str) -> None:
        reply = await self.device.call("conversation.cancel", {"conversation": self._current})
        self._terminal.note("stopping the answer" if reply["turns"] else "nobody is answering")

    async def _help(self, _: str) -> None:
        self._terminal.write(HELP + "\n")

    # -- within ----------------------------------------------------------------------------------------------

    def _where(self) -> tuple[Device, str]:
        return self.device, self._current

    def _show(self) -> None:
        log = self.device.followed[self._current].log
        self._terminal.write(self._views[self._current].news(log.lines()))
        self._reading.shown(self._current, log.top)
        self._answers.show()

    async def _made(self, title: str) -> str:
        conversation = await self.device.create(title, agents=self._agents)
        # The list learns of it a moment later; we know its name already.
        self._conversations.called(conversation, title)
        return conversation

    async def _answered(self) -> None:
        """Returns when everything said here stands in the log, nobody answers any more, and the server knows
        what was read.
        """
        followed = self.device.followed[self._current]
        quiet_since = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - quiet_since < 1.0:
            if followed.log.running or not followed.live:
                quiet_since = asyncio.get_running_loop().time()
            await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(LAST_TRY_S):
                await self._reading.told()
        except TimeoutError:
            return
