"""Receipts: how far people have read, and that they are typing.

Called by the connection pods (`conversation.read`, `conversation.typing`). What was read is kept in the
conversation, so all devices of a user are told the same; typing is kept nowhere. Must never keep a count:
what is unread is counted anew from what is kept.
"""

from services.shared.bus import replies
from services.shared.bus.conversations import check
from services.shared.bus.floor import Floor
from services.shared.bus.scripts import Arg
from services.shared.model.conversation import Receipt
from services.shared.model.errors import BadRequest
from services.shared.model.events import Typing
from services.shared.model.permissions import Operation, allowed
from services.shared.wire.envelopes import encode_event


class Receipts:
    """What people have read, and who is typing."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def read(self, conversation: str, user: str, seq: int) -> Receipt:
        """Note that a user has read up to message number `seq`; above the newest it counts as the newest. A
        repeat, or a lower number, changes and tells nothing.

        Raises NotMember, Refused, BadRequest, QueueFull, NotReplicated, BusUnavailable.
        """
        check(conversation, user)
        if seq < 0:
            raise BadRequest(f"seq is {seq}; message numbers begin at 1")
        keys = self._floor.keys.conversation(conversation)
        args: list[Arg] = [*self._floor.settings.journal_args(), conversation, user, seq]
        word, epoch, offset, *read = await self._floor.scripts.acknowledged(
            "mark_read",
            [*keys.appending, keys.members, keys.shared.outbox],
            [*args, allowed(Operation.READ)],
        )
        return Receipt(replies.position(epoch, offset), replies.read_up_to(read), word == b"repeat")

    async def typing(self, conversation: str, user: str, *, typing: bool, expires_ms: int) -> None:
        """Tell those who follow now that a user types, or has stopped. Raises NotMember, Refused, BadRequest,
        BusUnavailable.
        """
        check(conversation, user)
        keys = self._floor.keys.conversation(conversation)
        event = encode_event(Typing(conversation, user, typing, expires_ms))
        args: list[Arg] = [conversation, user, event, allowed(Operation.TYPING)]
        await self._floor.scripts.run("typing", [keys.live, keys.members], args)
