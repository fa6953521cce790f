"""What people do in a conversation beside saying something: drawn by a device's dice, as RPCs.

Called by `device`, which does each until it is acknowledged. `js/deeds.mjs` draws the same for devices on the
JavaScript client; what is acknowledged is judged by `rules_people`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.local.device import new_id

REACTIONS = ("+1", "heart", "😀")
LATELY = 20
"""Messages that are still thought of."""
GUESTS = 12
ANSWERS = ("members.accept", "members.accept", "members.decline", "leave")
"""What a guest does: half of the time it comes."""
PLACED = {"members.list", "mute", "typing"}
"""What has no place in the journal, by the end of its name."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An RPC and its arguments, the conversation aside."""

    method: str
    asked: dict[str, Any]

    @property
    def is_placed(self) -> bool:
        """Whether its acknowledgement names a place in the journal."""
        return self.method.split(".", maxsplit=1)[1] not in PLACED


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody knows of a conversation and may do there. own and known: messages, the newest last; top:
    the highest number seen. alone: no agent answers there, so what was said may be taken away again. owns:
    whether it is an owner.
    """

    own: Sequence[str]
    known: Sequence[str]
    top: int
    alone: bool = False
    owns: bool = False


def draw(name: str, dice: random.Random, scope: Scope) -> Deed | None:
    """What device `name` does next; None: there is nothing it could do that to."""
    kinds = [_edit, _edit, _react, _react, _read, _read, _typing, _rename, _mute, _invite, _add, _list]
    if scope.alone:
        kinds += [_edit, _react, _delete, _delete, _rewind, *[_invite] * 4]
    if scope.owns:
        kinds += [_role] * 5 + [_invite, _add, _remove]
    return dice.choice(kinds)(name, dice, scope)


def visit(dice: random.Random) -> Deed:
    """What a guest does, who is in at times and out at others."""
    return Deed(f"conversation.{dice.choice(ANSWERS)}", {})


def _edit(name: str, dice: random.Random, scope: Scope) -> Deed | None:
    if not scope.own:
        return None
    text = f"{name} says otherwise: {dice.randint(1, 99)}"
    return Deed("message.edit", {"id": dice.choice(scope.own[-LATELY:]), "text": text})


def _delete(_: str, dice: random.Random, scope: Scope) -> Deed | None:
    return Deed("message.delete", {"id": dice.choice(scope.own[-LATELY:])}) if scope.own else None


def _react(_: str, dice: random.Random, scope: Scope) -> Deed | None:
    if not scope.known:
        return None
    asked = {"reaction": dice.choice(REACTIONS), "on": dice.random() < 0.7}
    return Deed("message.react", {"id": dice.choice(scope.known[-LATELY:]), **asked})


def _read(_: str, dice: random.Random, scope: Scope) -> Deed | None:
    return Deed("conversation.read", {"seq": dice.randint(1, scope.top)}) if scope.top else None


def _rewind(_: str, dice: random.Random, scope: Scope) -> Deed | None:
    if not scope.own:
        return None
    message = dice.choice(scope.own[-3:])
    return Deed("conversation.rewind", {"id": new_id(), "message": message, "ask": False})


def _typing(_: str, dice: random.Random, scope: Scope) -> Deed:
    del scope
    return Deed("conversation.typing", {"typing": dice.random() < 0.7})


def _rename(_: str, dice: random.Random, scope: Scope) -> Deed:
    del scope
    return Deed("conversation.rename", {"title": f"title {dice.randint(1, 3)}"})


def _mute(_: str, dice: random.Random, scope: Scope) -> Deed:
    del scope
    return Deed("conversation.mute", {"until": dice.choice([0, None])})


def _invite(_: str, dice: random.Random, scope: Scope) -> Deed:
    return Deed("conversation.members.invite", {"user": _guest(dice, scope), "role": "reader"})


def _add(_: str, dice: random.Random, scope: Scope) -> Deed:
    return Deed("conversation.members.add", {"user": _guest(dice, scope)})


def _list(_: str, dice: random.Random, scope: Scope) -> Deed:
    del dice, scope
    return Deed("conversation.members.list", {"limit": 3})


def _role(_: str, dice: random.Random, scope: Scope) -> Deed:
    role = dice.choice(("owner", "member", "reader"))
    return Deed("conversation.members.role", {"user": _guest(dice, scope), "role": role})


def _remove(_: str, dice: random.Random, scope: Scope) -> Deed:
    return Deed("conversation.members.remove", {"user": _guest(dice, scope)})


GUEST = "dee"
"""A guest who answers; the others are only names."""


def _guest(dice: random.Random, scope: Scope) -> str:
    """Somebody of many; where people are alone of few, so that they come and go."""
    if scope.alone:
        return dice.choice((GUEST, GUEST, "guest-1", "guest-2"))
    return f"guest-{dice.randint(1, GUESTS)}"
