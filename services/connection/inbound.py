"""The devices' door to what can be asked for: performs the session's errands and makes replies of what comes
back.

Called by reception.py, one errand of a connection at a time; deeds.py does the work. Expected failures become
`Failed`; whatever else is raised is a fault of ours and goes to the caller.
"""

from services.connection.arguments import read
from services.connection.core.effects import Call, Errand, History, Presence, PresenceStats, Publish
from services.connection.core.events import Answered, Failed
from services.connection.deeds import Deeds
from services.shared.model import permissions
from services.shared.model.errors import BadRequest, Broken, ContinuoError
from services.shared.model.ids import ChannelKind, ConversationId
from services.shared.model.permissions import Operation
from services.shared.model.position import serves
from services.shared.wire import codec, rpc
from services.shared.wire.codes import METHOD_NOT_FOUND, PERMISSION_DENIED, UNRECOVERABLE, fault_of


class Inbound:
    """Performs errands for all connections of a process; keeps no state of theirs."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    async def perform(self, errand: Errand) -> Answered | Failed:
        """Do one thing a client asked for and return what to tell it."""
        try:
            return await self._perform(errand)
        except Broken:
            raise
        except ContinuoError as error:
            return Failed(errand.ref, fault_of(error))

    async def _perform(self, errand: Errand) -> Answered | Failed:
        match errand:
            case Call():
                return await self._call(errand)
            case Publish():
                return await self._publish(errand)
            case History():
                return await self._history(errand)
            case Presence():
                infos = await self._deeds.present(errand.user, ConversationId(errand.channel.id))
                return Answered(errand.ref, codec.presence_result(infos))
            case PresenceStats():
                counts = await self._deeds.counted(errand.user, ConversationId(errand.channel.id))
                return Answered(errand.ref, codec.presence_stats_result(*counts))

    async def _call(self, call: Call) -> Answered | Failed:
        if not self._deeds.has(call.method):
            return Failed(call.ref, METHOD_NOT_FOUND)
        return Answered(call.ref, b'{"data":%s}' % await self._deeds.call(call.user, call.method, call.data))

    async def _publish(self, publish: Publish) -> Answered | Failed:
        try:
            said = read(publish.data, rpc.PublishedMessage)
        except BadRequest:
            return Failed(publish.ref, PERMISSION_DENIED)  # clients may say things here, and nothing else
        await self._deeds.say(publish.user, rpc.Send(publish.channel.id, said.id, said.text, said.reply_to))
        return Answered(publish.ref, b"{}")

    async def _history(self, asked: History) -> Answered | Failed:
        at = asked.since.offset if asked.since else None
        member = asked.user if asked.channel.kind is ChannelKind.CONVERSATION else None
        reading = await self._deeds.shown.confirmed(
            lambda: self._deeds.bus.journal.excerpt(
                asked.channel, at, user=member, limit=asked.limit, reverse=asked.reverse
            )
        )
        if member:
            role = reading.role if reading.exists else None
            permissions.check(role, Operation.HISTORY, asked.user, asked.channel.name)
        if asked.since and not serves(reading.head, asked.since):
            return Failed(asked.ref, UNRECOVERABLE)
        publications = [codec.publication(entry.body, entry.offset) for entry in reading.entries]
        return Answered(asked.ref, codec.history_result(publications, reading.head.position))
