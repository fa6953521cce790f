"""What agents ask, and `/answer`. Called by `talk`."""

import json
from collections.abc import Awaitable, Callable

from services.local.device import Device, new_id
from services.local.render import Question
from services.local.terminal import Terminal


class Answers:
    """Shows what is asked, once each, and answers it. where: the device, and the conversation that the person
    is in.
    """

    def __init__(self, terminal: Terminal, where: Callable[[], tuple[Device, str]]) -> None:
        self._terminal = terminal
        self._where = where
        self._asked: set[Question] = set()
        """What is asked here, and was shown to be."""
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {"/answer": self._answer}

    def show(self) -> None:
        """Tells what is asked and was not told to be."""
        device, conversation = self._where()
        asked = device.followed[conversation].log.asked
        for number, one in enumerate(asked.values(), start=1):
            if one not in self._asked:
                how = "/answer ..." if len(asked) == 1 else f"/answer {number} ..."
                self._terminal.note(f"{one.agent} asks: {one.text}  ({how})")
        self._asked = set(asked.values())

    async def _answer(self, text: str) -> None:
        device, conversation = self._where()
        asked = list(device.followed[conversation].log.asked.values())
        number, answer = chosen(text, len(asked))
        arguments = {"conversation": conversation, "id": new_id(), "interrupt": asked[number - 1].interrupt}
        await device.call("conversation.answer", {**arguments, "answer": as_json(answer)})


def chosen(text: str, asked: int) -> tuple[int, str]:
    """Which of so many questions is answered, and with what. Raises ValueError."""
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


def as_json(text: str) -> object:
    """What was typed is sent as the JSON it is, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
