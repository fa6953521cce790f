"""A person's conversations on one terminal: commands typed, messages sent and shown.

Called by `chat`. Messages wait in an outbox, in the order they were typed, until the server acknowledged
them; each keeps its id, so sending it again after a lost connection does nothing twice. They wait in files
too: what is unsent when the chat ends, however it ends, the next one sends.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from services.local.device import Device, RefusedError, new_id
from services.local.ending import LocalError
from services.local.following import Watcher
from services.local.people import People
from services.local.render import Question
from services.local.terminal import Terminal
from services.local.unsent import Unsent, UnsentFiles
from services.local.view import View
from services.local.ways_back import WaysBack

HELP = """\
/new [title]    a new conversation        /list         all conversations
/open number    go to one of them         /add user     let somebody in
/cancel         stop the answer           /history      everything said so far
/answer text    answer what is asked; /answer 2 text where several things are
/checkpoints    where one can go back to; 1 is the last
/again [1]      have that answered anew      /edit 1 text  say it in other words
/rewind [1]     take it out; with each of these goes all that came of it
/members        who is in it, as what     /rename title another title
/invite user [role]  ask somebody in      /role user role  owner, member or reader
/invitations    who asks you in; /accept [1], /decline [1]        /leave  go out of this one
/help           this                      /quit         leave (so does Ctrl-D)
Anything else is said in the conversation."""


UNSENT = 1000
"""Messages that may wait to be sent. Policy beyond it: what a person types is refused, what comes through a
pipe waits.
"""
INVITATIONS = 1000
"""Conversations that wait to be followed. Policy beyond it: /list shows them all the same."""
LAST_TRY_S = 3.0
"""What somebody who quits waits for the messages still unsent; after that they stay in their files."""


class Talk(Watcher):
    """What the person sees of the device, and does with it."""

    def __init__(self, terminal: Terminal, files: UnsentFiles, agents: Sequence[str] = ()) -> None:
        self._terminal = terminal
        self._agents = agents
        self._files = files
        self._device: Device | None = None
        self._views: dict[str, View] = {}
        self._ways = WaysBack(terminal, lambda: (self.device, self._current))
        self._people = People(terminal, lambda: (self.device, self._current), self._elsewhere)
        self._titles: dict[str, str] = {}
        self._unread: set[str] = set()
        self._asked: set[Question] = set()
        """What is asked here, and was shown to be."""
        self._current = ""
        left = files.found()
        self._left = {unsent.message for unsent in left}
        self._told_of_files = False
        self._outbox: asyncio.Queue[Unsent] = asyncio.Queue(max(UNSENT, len(left)))
        for unsent in left:
            self._outbox.put_nowait(unsent)
        self._invitations: asyncio.Queue[str] = asyncio.Queue(INVITATIONS)

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
        if left := self._outbox.qsize():
            self._terminal.note(f"sending what an earlier chat left unsent: {_count(left)}")
        known = await self._refresh_titles()
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
            await self._try_once_more()
        else:
            await self._outbox.join()
            await self._answered()

    async def deliver(self) -> None:
        """Sends what is in the outbox, one by one, until cancelled."""
        while True:
            unsent = await self._outbox.get()
            try:
                await self.device.send(unsent.conversation, unsent.text, unsent.message)
            except RefusedError as error:
                self._terminal.note(f"not sent: {unsent.text!r}: {error}")
                self._let_go(unsent, refused=True)
            else:
                self._let_go(unsent, refused=False)
            self._outbox.task_done()

    async def welcome(self) -> None:
        """Follows conversations the user is let into meanwhile, until cancelled."""
        while True:
            conversation = await self._invitations.get()
            if conversation in self.device.followed:
                continue
            try:
                await self._refresh_titles()
                await self.device.follow(conversation)
            except LocalError:
                continue
            self._terminal.note(f"you are in {self._titles.get(conversation, conversation)!r} now: /list")

    # -- what the device tells -------------------------------------------------------------------------------

    def changed(self, conversation: str) -> None:
        if conversation == self._current:
            self._show()
        elif (
            conversation in self._views
            and conversation not in self._unread
            and self._views[conversation].behind(self.device.followed[conversation].log.lines())
        ):
            self._unread.add(conversation)
            self._terminal.note(f"news in {self._titles.get(conversation, conversation)!r}: /list")

    def told(self, conversation: str, note: str) -> None:
        if conversation == self._current:
            self._terminal.note(note)

    def invited(self, conversation: str, title: str) -> None:
        self._titles.setdefault(conversation, title)
        if not self._invitations.full():
            self._invitations.put_nowait(conversation)

    def busy(self) -> None:
        self._terminal.note("too much waits to be answered just now; what you said is sent again by itself")

    def connection(self, note: str) -> None:
        if note:
            self._terminal.note(note)

    # -- what the person does --------------------------------------------------------------------------------

    async def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/new": self._new,
            "/open": self._open_numbered,
            "/list": self._list,
            "/add": self._add,
            "/cancel": self._cancel,
            "/answer": self._answer,
            **self._ways.commands,
            **self._people.commands,
            "/history": self._history,
            "/help": self._help,
        }
        if command := commands.get(word):
            await command(rest.strip())
        elif line.startswith("/"):
            self._terminal.note(f"{word} is no command: /help")
        elif line:
            await self._say(line)

    async def _say(self, text: str) -> None:
        if self._terminal.interactive and self._outbox.full():
            raise LocalError(f"not taken, {_count(UNSENT)} wait already: {text!r}")
        unsent = Unsent(self._current, new_id(), text)
        self._files.keep(unsent)
        if self._terminal.interactive:
            self._views[self._current].mine.add(unsent.message)
        await self._outbox.put(unsent)

    async def _new(self, title: str) -> None:
        await self._open(await self._made(title or "conversation"))

    async def _open_numbered(self, number: str) -> None:
        known = await self._refresh_titles()
        if number in known:
            return await self._open(number)
        if not number.isdigit() or not 1 <= int(number) <= len(known):
            raise ValueError(f"there are conversations 1 to {len(known)}: /list")
        return await self._open(known[int(number) - 1])

    async def _open(self, conversation: str) -> None:
        self._current = conversation
        self._unread.discard(conversation)
        self._terminal.note(f"in {self._titles.get(conversation, conversation)!r}")
        self._views.setdefault(conversation, View())
        if conversation not in self.device.followed:
            await self.device.follow(conversation)
        self._show()

    async def _elsewhere(self, left: str) -> None:
        """Into the newest other conversation; a new one where there is none."""
        await self.device.unfollow(left)
        self._views.pop(left, None)
        others = [each for each in await self._refresh_titles() if each != left]
        await self._open(others[0] if others else await self._made("conversation"))

    async def _list(self, _: str) -> None:
        for number, conversation in enumerate(await self._refresh_titles(), start=1):
            here = ">" if conversation == self._current else " "
            news = "  (news)" if conversation in self._unread else ""
            self._terminal.write(f"{here} {number}  {self._titles[conversation]}{news}\n")

    async def _add(self, user: str) -> None:
        await self.device.call("conversation.members.add", {"conversation": self._current, "user": user})

    async def _cancel(self, _: str) -> None:
        reply = await self.device.call("conversation.cancel", {"conversation": self._current})
        self._terminal.note("stopping the answer" if reply["turns"] else "nobody is answering")

    async def _answer(self, text: str) -> None:
        asked = list(self.device.followed[self._current].log.asked.values())
        number, answer = _chosen(text, len(asked))
        arguments = {"conversation": self._current, "id": new_id(), "interrupt": asked[number - 1].interrupt}
        await self.device.call("conversation.answer", {**arguments, "answer": _as_json(answer)})

    async def _history(self, _: str) -> None:
        for message in await self.device.history(self._current):
            self._terminal.write(f"{message['seq']:>4}  {_author(message)}: {message['text']}\n")

    async def _help(self, _: str) -> None:
        self._terminal.write(HELP + "\n")

    # -- within ----------------------------------------------------------------------------------------------

    def _let_go(self, unsent: Unsent, *, refused: bool) -> None:
        """What an earlier chat left and is refused, as after a day, may be nowhere else: it is set aside."""
        left = unsent.message in self._left
        self._left.discard(unsent.message)
        try:
            if not (refused and left):
                self._files.drop(unsent)
            elif file := self._files.set_aside(unsent):
                self._terminal.note(f"its text is kept in {file}")
        except OSError as error:
            # Sent again with its id, which does nothing twice: no reason to stop sending.
            if not self._told_of_files:
                self._terminal.note(f"what was sent stays in its file, the next chat sends it again: {error}")
            self._told_of_files = True

    def _show(self) -> None:
        log = self.device.followed[self._current].log
        self._terminal.write(self._views[self._current].news(log.lines()))
        for number, one in enumerate(log.asked.values(), start=1):
            if one not in self._asked:
                how = "/answer ..." if len(log.asked) == 1 else f"/answer {number} ..."
                self._terminal.note(f"{one.agent} asks: {one.text}  ({how})")
        self._asked = set(log.asked.values())

    async def _try_once_more(self) -> None:
        try:
            async with asyncio.timeout(LAST_TRY_S):
                await self._outbox.join()
        except TimeoutError:
            self._terminal.note("not everything was sent; your next chat here sends the rest")

    async def _made(self, title: str) -> str:
        conversation = await self.device.create(title, agents=self._agents)
        # The list learns of it a moment later; we know its name already.
        self._titles[conversation] = title
        return conversation

    async def _refresh_titles(self) -> list[str]:
        """The ids of all conversations, newest first."""
        listed = (await self.device.call("conversation.list", {}))["conversations"]
        listed.sort(key=lambda one: -one["created_ms"])
        self._titles.update({one["id"]: one["title"] or one["id"] for one in listed})
        return [one["id"] for one in listed]

    async def _answered(self) -> None:
        """Returns when everything said here stands in the log and nobody answers any more."""
        followed = self.device.followed[self._current]
        quiet_since = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - quiet_since < 1.0:
            if followed.log.running or not followed.live:
                quiet_since = asyncio.get_running_loop().time()
            await asyncio.sleep(0.05)


def _chosen(text: str, asked: int) -> tuple[int, str]:
    """Which of so many questions is answered, and with what."""
    if not asked:
        raise ValueError("nothing is asked here")
    word, _, rest = text.partition(" ")
    if asked > 1 and word.isdecimal():
        if not 1 <= int(word) <= asked:
            raise ValueError(f"there are questions 1 to {asked}")
        text = rest.strip()
        if text:
            return int(word), text
    if asked > 1 or not text:
        raise ValueError("/answer text" if asked == 1 else "/answer 1 text: several things are asked")
    return 1, text


def _as_json(text: str) -> object:
    """What was typed is sent as the JSON it is, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


def _author(message: dict[str, str]) -> str:
    return message.get("user") or message.get("agent") or "?"
