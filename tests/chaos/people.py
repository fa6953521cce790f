"""What people make of a conversation beside saying things, as its events tell it: words after edits and
deletions, reactions, who is in it as what, its title, and how far each has read. Pure.

Folded by `rules_people` from the house's journal, and from what each device was handed. Written anew from the
documents: the services' own judgement is what is to be judged.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.records import Event, Said

Reaction = tuple[str, str]
"""(reaction, user)."""


@dataclass(slots=True)
class Shown:
    """A message as it stands. seq 0: nobody told its number."""

    text: str
    seq: int = 0
    edits: int = 0
    deleted: bool = False
    reactions: set[Reaction] = field(default_factory=set)

    @classmethod
    def of(cls, said: Said) -> "Shown":
        """As a page of history or the truth has it."""
        reactions = {(reaction, user) for reaction, users in said.reactions.items() for user in users}
        return cls(said.text, said.seq, said.edits, said.deleted, reactions)


@dataclass(slots=True)
class People:
    """A conversation at one place of its journal. top: the highest number a message had."""

    messages: dict[str, Shown] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    invited: set[str] = field(default_factory=set)
    title: str = ""
    reads: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    top: int = 0

    def load(self, page: Sequence[Said]) -> None:
        """Begin from a page of history."""
        self.messages = {said.id: Shown.of(said) for said in page}

    def unread(self, user: str) -> int:
        """How many messages are above what a user has read."""
        return sum(each.seq > self.reads[user] for each in self.messages.values())

    def apply(self, event: Event) -> None:
        """Take an event; one that tells what is so already changes nothing."""
        kind = str(event["type"])
        if kind.startswith("message."):
            self._message(kind, event)
        elif kind.startswith("member."):
            self._member(kind, event["user"], event.get("role", ""))
        elif kind == "receipt.read":
            self.has_read(event["user"], event["seq"])
        elif kind == "conversation.updated":
            self.title = event["title"]
        elif kind == "conversation.rewound":
            self._rewound(event)

    def has_read(self, user: str, seq: int) -> None:
        """Nobody unreads."""
        self.reads[user] = max(self.reads[user], seq)

    def _message(self, kind: str, event: Event) -> None:
        message = event["message"]
        if kind in ("message.created", "message.completed"):
            seq = event.get("seq") or 0
            self.messages[message] = Shown(event["text"], seq)
            self.top = max(self.top, seq)
            if kind == "message.created":  # who speaks has read what was said before
                self.has_read(event["user"], seq)
        elif kind == "message.retracted":
            self.messages.pop(message, None)
        elif (shown := self.messages.get(message)) is not None:
            self._changed(shown, kind, event)

    @staticmethod
    def _changed(shown: Shown, kind: str, event: Event) -> None:
        if kind == "message.edited":
            shown.text, shown.edits = event["text"], event["edits"]
        elif kind == "message.deleted":
            shown.text, shown.deleted = "", True
            shown.reactions.clear()
        elif kind == "message.reacted":
            change = shown.reactions.add if event["on"] else shown.reactions.discard
            change((event["reaction"], event["user"]))

    def _member(self, kind: str, user: str, role: str) -> None:
        if kind in ("member.joined", "member.changed"):
            self.roles[user] = role
            self.invited.discard(user)
        elif kind == "member.invited":
            self.invited.add(user)
        else:
            self.invited.discard(user)
            if self.roles.pop(user, None) is not None:
                self.reads[user] = 0  # who comes back has read nothing

    def _rewound(self, event: Event) -> None:
        for message in event["gone"]:
            self.messages.pop(message, None)
        if "text" in event and event["message"] in self.messages:
            self.messages[event["message"]].text = event["text"]


def holds(people: People, user: str, method: str, asked: Mapping[str, Any]) -> bool:
    """Whether a deed of this user that was acknowledged stands: at its position all was as it wanted it.

    Raises KeyError for an RPC that nobody knows.
    """
    return HOLDS[method](people, asked.get("user", user), asked)


def _edited(people: People, _: str, asked: Mapping[str, Any]) -> bool:
    shown = people.messages.get(asked["id"])
    return shown is not None and shown.text == asked["text"]


def _deleted(people: People, _: str, asked: Mapping[str, Any]) -> bool:
    shown = people.messages.get(asked["id"])
    return shown is not None and shown.deleted


def _reacted(people: People, user: str, asked: Mapping[str, Any]) -> bool:
    shown = people.messages.get(asked["id"])
    return shown is not None and ((asked["reaction"], user) in shown.reactions) == asked["on"]


def _has_read(people: People, user: str, asked: Mapping[str, Any]) -> bool:
    return people.reads[user] >= min(asked["seq"], people.top)


def _renamed(people: People, _: str, asked: Mapping[str, Any]) -> bool:
    return people.title == str(asked["title"])


def _has_role(people: People, user: str, asked: Mapping[str, Any]) -> bool:
    return people.roles.get(user) == asked["role"]


def _is_in(people: People, user: str, _: Mapping[str, Any]) -> bool:
    return user in people.roles


def _is_asked(people: People, user: str, _: Mapping[str, Any]) -> bool:
    return user in people.invited or user in people.roles


def _is_out(people: People, user: str, asked: Mapping[str, Any]) -> bool:
    return not _is_asked(people, user, asked)


HOLDS: Mapping[str, Callable[[People, str, Mapping[str, Any]], bool]] = {
    "message.edit": _edited,
    "message.delete": _deleted,
    "message.react": _reacted,
    "conversation.read": _has_read,
    "conversation.rename": _renamed,
    "conversation.members.role": _has_role,
    "conversation.members.add": _is_in,
    "conversation.members.accept": _is_in,
    "conversation.members.invite": _is_asked,
    "conversation.members.remove": _is_out,
    "conversation.members.decline": _is_out,
    "conversation.leave": _is_out,
}
"""By RPC: whether a user (whom it names, or who asked) has what was asked for."""
