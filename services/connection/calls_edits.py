"""RPCs about what becomes of a message after it was said, done on the bus. Called by deeds.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.connection.shown import Shown
from services.shared.model.ids import ConversationId, MessageId, UserId
from services.shared.wire import rpc


class EditCalls:
    """Messages in other words, or none."""

    def __init__(self, bus: Bus, shown: Shown) -> None:
        self._bus = bus
        self._shown = shown

    def calls(self) -> Calls:
        """Each by its name."""
        return {
            "message.edit": self._edit,
            "message.delete": self._delete,
            "message.versions": self._versions,
            "message.react": self._react,
        }

    async def _edit(self, user: UserId, wanted: rpc.Edit) -> rpc.EditDone:
        done = await self._bus.edits.edit(*_of(user, wanted), wanted.text)
        return rpc.EditDone(done.position, done.edits, done.repeated)

    async def _delete(self, user: UserId, wanted: rpc.DeleteMessage) -> rpc.Changed:
        return rpc.Changed((await self._bus.edits.delete(*_of(user, wanted))).position)

    async def _versions(self, user: UserId, wanted: rpc.VersionsOf) -> rpc.VersionsTold:
        asked = _of(user, wanted)
        found = await self._shown.confirmed(lambda: self._bus.edits.versions(*asked))
        return rpc.VersionsTold(list(found.versions))

    async def _react(self, user: UserId, wanted: rpc.React) -> rpc.Changed:
        done = await self._bus.edits.react(*_of(user, wanted), wanted.reaction, on=wanted.on)
        return rpc.Changed(done.position)


def _of(
    user: UserId, wanted: rpc.Edit | rpc.DeleteMessage | rpc.VersionsOf | rpc.React
) -> tuple[ConversationId, UserId, MessageId]:
    return ConversationId(wanted.conversation.lower()), user, MessageId(wanted.id.lower())
