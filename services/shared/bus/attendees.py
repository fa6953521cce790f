"""Attendees: who of a conversation is present, away or absent, in pages, for the RPC `conversation.presence`.

Reads what the roster's scripts write. A page costs what it holds, however many are there. Must never judge:
who is away, and who has left, is the roster's.
"""

from services.shared.bus.floor import Floor
from services.shared.bus.lease import Argument
from services.shared.model.errors import BadRequest
from services.shared.model.ids import ConversationId, UserId
from services.shared.model.permissions import Operation, allowed
from services.shared.model.presence import Attendee, AttendeesPage, Totals, state_of

PAGE = 1000
"""Users of a page, at most."""


class Attendees:
    """Reads who is there."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._keys = floor.keys

    async def page(
        self, conversation: ConversationId, by: UserId, *, after: str = "", limit: int = 100
    ) -> AttendeesPage:
        """Up to `limit` members who sit there or sat there, behind the one named `after`, by user id in the
        order of its bytes. Raises NotMember, Refused, BadRequest, BusUnavailable.
        """
        if not 1 <= limit <= PAGE:
            raise BadRequest(f"limit is {limit}; it must be 1 to {PAGE}")
        at = self._keys.conversation(conversation)
        keys = [at.members, at.attendees, at.seated, at.present, at.seen, at.roster]
        args: list[Argument] = [by, conversation, allowed(Operation.PRESENCE), after, limit]
        _, replid, more, seated, announced, seats, flat = await self._scripts.run("attendees", keys, args)
        users = [_attendee(*flat[index : index + 4]) for index in range(0, len(flat), 4)]
        totals = Totals(seated, max(0, announced - seated), seats)
        return AttendeesPage(tuple(users), bool(more), totals, replid.decode())


def _attendee(user: bytes, seats: bytes, announced: int, seen: bytes) -> Attendee:
    connections = int(seats or 0)
    state = state_of(connections=connections, announced=bool(announced))
    return Attendee(UserId(user.decode()), state, connections, int(seen) if seen else None)
