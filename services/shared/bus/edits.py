"""Edits: what becomes of a message after it was said.

Called by the connection pods (`message.edit`, `message.delete`, `message.versions`, `message.react`). What a
message said before is kept for audit, bounded, and goes with it. Must never ask an agent: that is a rewind's.
"""

import re

from services.shared.bus import replies
from services.shared.bus.conversations import check
from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.scripts import Arg
from services.shared.model.conversation import Appended, Edited, Version, Versions
from services.shared.model.errors import BadRequest
from services.shared.model.ids import is_uuid
from services.shared.model.permissions import Operation, allowed

MOST_VERSIONS = 20
"""Versions of one message that are kept: the newest."""
MOST_REACTIONS = 1_000
"""Reactions one message may have, of all users together."""


MOST_KINDS = 20
"""Different reactions one message may have."""
LONGEST_REACTION = 32
"""Bytes."""
_REACTION = re.compile(r"[^\s\x00-\x1f\x7f]+")


class Edits:
    """Messages in other words, or none, and reactions to them."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def edit(self, conversation: str, user: str, message: str, text: str) -> Edited:
        """Give a message another text. The text it has is a repeat, and changes nothing.

        Raises NotMember, Refused (also what somebody else said, or is deleted), BadRequest (also for no such
        message), NotReplicated, BusUnavailable.
        """
        if not text:
            raise BadRequest("text is empty; to say nothing is message.delete")
        at, args = self._asked(conversation, user, message)
        args += [text, MOST_VERSIONS, allowed(Operation.EDIT)]
        names, args = self._floor.audited(_keys(at, message), args, at.shared)
        word, epoch, offset, edits = await self._floor.scripts.acknowledged("message_edit", names, args)
        return Edited(replies.position(epoch, offset), edits, word == b"repeat")

    async def delete(self, conversation: str, user: str, message: str) -> Appended:
        """Take a message's text away; its place stays. Turns that wait hear it no more. A repeat is harmless.

        Raises as `edit`.
        """
        at, args = self._asked(conversation, user, message)
        args += [MOST_VERSIONS, allowed(Operation.ERASE), allowed(Operation.ERASE_OTHERS)]
        keys = [*_keys(at, message), at.reactions(message), at.fifo]
        reply = await self._floor.scripts.acknowledged(
            "message_delete", *self._floor.audited(keys, args, at.shared)
        )
        return replies.appended(reply)

    async def react(self, conversation: str, user: str, message: str, reaction: str, *, on: bool) -> Appended:
        """Put a reaction to a message, or take it back. What is so already is a repeat, and harmless.

        Raises as `edit`; Refused also for more reactions than one message may have.
        """
        at, args = self._asked(conversation, user, message)
        if not _REACTION.fullmatch(reaction) or len(reaction.encode()) > LONGEST_REACTION:
            raise BadRequest(f"reaction: {reaction!r} is not 1 to {LONGEST_REACTION} bytes without spaces")
        args += [reaction, int(on), MOST_KINDS, MOST_REACTIONS, allowed(Operation.REACT)]
        keys = [*at.appending, at.members, at.message(message), at.reactions(message)]
        return replies.appended(await self._floor.scripts.acknowledged("react", keys, args))

    async def versions(self, conversation: str, user: str, message: str) -> Versions:
        """What a message said before it was changed. Raises NotMember, Refused, BadRequest,
        BusUnavailable.
        """
        at, args = self._asked(conversation, user, message)
        args += [allowed(Operation.VERSIONS), allowed(Operation.VERSIONS_OTHERS)]
        _, replid, found = await self._floor.scripts.run("versions", _keys(at, message), args)
        return Versions(tuple(map(_version, found)), replid.decode())

    def _asked(self, conversation: str, user: str, message: str) -> tuple[ConversationKeys, list[Arg]]:
        _check(conversation, user, message)
        journal = self._floor.settings.journal_args()
        return self._floor.keys.conversation(conversation), [*journal, conversation, user, message]


def _keys(at: ConversationKeys, message: str) -> list[str]:
    return [*at.appending, at.members, at.message(message), at.versions(message)]


def _version(entry: bytes) -> Version:
    until, _, text = entry.decode().partition(" ")
    return Version(text, int(until))


def _check(conversation: str, user: str, message: str) -> None:
    check(conversation, user)
    if not is_uuid(message):
        raise BadRequest(f"id: {message!r} is not a message id; a UUID in lower case is")
