"""What a user makes of a conversation for itself alone: muted, archived. In the user's own partition, and
gone with the membership.

Called by the connection pods for the RPCs. Whether the user is in the conversation its own partition knows,
so that is asked first.
"""

from services.shared.bus.conversations import check
from services.shared.bus.floor import Floor
from services.shared.bus.replies import marks
from services.shared.bus.scripts import Arg
from services.shared.model import permissions
from services.shared.model.errors import BadRequest, BusUnavailable
from services.shared.model.members import Marks as Marked
from services.shared.model.permissions import Operation

FURTHEST_MS = 1 << 53


class UserMarks:
    """Set, and told to the user's other devices."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def mute(self, conversation: str, user: str, until: int | None) -> Marked:
        """Mute a conversation until then (ms since 1970; 0: not muted, None: for good). A repeat is harmless.

        Raises NotMember, Refused, BadRequest, NotReplicated, BusUnavailable (also while a membership that
        has just begun is not told here).
        """
        if until is not None and not 0 <= until <= FURTHEST_MS:
            raise BadRequest(f"until is {until}; it must be 0 to {FURTHEST_MS}")
        return await self._mark(Operation.MUTE, conversation, user, "-" if until is None else until, "")

    async def archive(self, conversation: str, user: str, *, archived: bool) -> Marked:
        """Put a conversation away, or take it back. A repeat is harmless. Raises as `mute`."""
        return await self._mark(Operation.ARCHIVE, conversation, user, "", int(archived))

    async def _mark(
        self, operation: Operation, conversation: str, user: str, muted: Arg, archived: Arg
    ) -> Marked:
        check(conversation, user)
        scripts, keys = self._floor.scripts, self._floor.keys
        role = await scripts.run("role", [keys.conversation(conversation).members], [user])
        permissions.check(role.decode() if role else None, operation, user, conversation)
        at = keys.user(user)
        names = [*at.appending, at.conversations, at.left(conversation), at.marks]
        args: list[Arg] = [*self._floor.settings.user_journal_args(), conversation, muted, archived]
        word, *mark = await scripts.acknowledged("mark", names, args)
        if word == b"later":
            raise BusUnavailable("the user's partition has not learnt of this membership yet")
        return marks(b" ".join(mark))
