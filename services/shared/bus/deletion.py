"""Deletion: a conversation ends at once, and what it held is cleared away in steps that never hold Redis up.

`delete` is called by the connection pods; from then on every operation answers that there is no such
conversation, its worker may write nothing more, and who follows it reads its last event. `work_off` is called
by the presence service: any number of replicas may, and after a crash any of them goes on. A conversation
that was deleted is known for as long as a user's journal is kept: a repeat of the delete is harmless, and
nobody makes a conversation under that id, whose late echoes could reach it.
"""

from services.shared.bus import replies
from services.shared.bus.conversations import check
from services.shared.bus.floor import Floor
from services.shared.bus.key_table import whole_keys
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.scripts import Arg, Call, script
from services.shared.bus.sentinel import mapped
from services.shared.model.conversation import Appended
from services.shared.model.errors import Broken
from services.shared.model.events import ConversationDeleted
from services.shared.model.ids import ConversationId
from services.shared.model.permissions import Operation, allowed
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Troubles
from services.shared.wire.envelopes import encode_event

LINGER_MS = 5_000
"""How long the journal of a deleted conversation can still be read by who follows it: longer than it takes to
notice that one heard nothing."""
CLAIM_MS = 10_000
"""Who took a deletion and did nothing for so long is no more: somebody else goes on."""
STEP = 100
"""Members told, or messages dropped, by one script."""
PER_PARTITION = 4
"""Deletions taken from a partition at once."""
SCANNED = 1000
"""Keys one look for the stock saver's passes."""

log = get_logger(__name__)


class Deletion:
    """Ends conversations."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._commands = floor.commands
        self._keys = floor.keys
        self._settings = floor.settings
        self._metrics = floor.metrics
        self._stuck = Troubles(
            log, "conversation not cleared away", "conversation cleared at last", severe=True
        )
        self._clock = floor.clock
        self._audited = floor.audited

    async def delete(self, conversation: str, user: str, *, linger_ms: int = LINGER_MS) -> Appended:
        """End a conversation, for all and for good; its last event's position. A repeat is harmless.

        Raises NotMember, Refused (`user` may not), BadRequest, NotReplicated, BusUnavailable.
        """
        check(conversation, user)
        event = encode_event(ConversationDeleted(conversation, user))
        args: list[Arg] = [*self._settings.journal_args(), conversation, user, event, linger_ms]
        args += [self._settings.user_ttl_s, allowed(Operation.DELETE)]
        at = self._keys.conversation(conversation)
        reply = await self._scripts.acknowledged("delete", *self._audited(_ending(at), args, at.shared))
        return replies.appended(reply)

    async def work_off(self) -> int:
        """Clear away what is due, each conversation to its end; how many. Raises Temporary: what was done
        stays done.
        """
        deletions, shared = script("deletions"), self._keys.shared()
        due = await self._scripts.batch(
            [Call(deletions, [each.deleting], [PER_PARTITION, CLAIM_MS]) for each in shared]
        )
        conversations = [ConversationId(each.decode()) for found in due for each in found]
        return sum([await self._cleared(conversation) for conversation in conversations])

    async def retire(self, ttl_s: int, *, linger_ms: int = LINGER_MS) -> int:
        """End conversations in which nobody wrote for `ttl_s`, some at a time; how many. One that owes an
        answer stays. Raises Temporary: what was done stays done.
        """
        untouched, shared = script("untouched"), self._keys.shared()
        looks = [
            Call(untouched, [each.aging], [each.conversations, ttl_s * 1000, PER_PARTITION])
            for each in shared
        ]
        found = [each.decode() for reply in await self._scripts.batch(looks) for each in reply]
        retired = sum(await self._scripts.batch([self._retiring(each, ttl_s, linger_ms) for each in found]))
        self._metrics.conversations_retired.inc(retired)
        return int(retired)

    async def _cleared(self, conversation: ConversationId) -> bool:
        """Clear away one conversation; False: it holds what can't be read and waits for who mends it, or its
        members can't be told now and it is gone on with after a while.
        """
        try:
            while (word := await self._step(conversation)) != b"gone":
                if word == b"later":
                    return False
        except Broken:  # this one's fault: others are not to wait for it
            self._stuck.met(conversation, conversation=conversation, exc_info=True)
            return False
        self._stuck.over(conversation, conversation=conversation)
        self._metrics.deletions.inc()
        return True

    def _retiring(self, conversation: str, ttl_s: int, linger_ms: int) -> Call:
        event = encode_event(ConversationDeleted(conversation))
        args: list[Arg] = [*self._settings.journal_args(), conversation, ttl_s * 1000, event, linger_ms]
        args.append(self._settings.user_ttl_s)
        at = self._keys.conversation(conversation)
        return Call(script("retire"), *self._audited(_ending(at), args, at.shared))

    async def waiting(self) -> int:
        """How many conversations are being deleted."""
        async with mapped("deletions"), self._commands.pipeline(transaction=False) as pipe:
            for each in self._keys.shared():
                pipe.zcard(each.deleting)
            return sum(await pipe.execute())

    async def _step(self, conversation: ConversationId) -> bytes:
        """Clear away some of a deleted conversation, and say what is left. Raises Temporary."""
        word = await self._stepped(conversation)
        if word != b"foreign":
            return word
        return await self._stepped(conversation, scanned=await self._drop_foreign(conversation))

    async def _stepped(self, conversation: ConversationId, *, scanned: bytes = b"") -> bytes:
        at = self._keys.conversation(conversation)
        shared = at.shared
        partitions = (
            shared.outbox,
            shared.departing,
            shared.deleting,
            shared.ready,
            shared.aging,
        )
        keys = [at.head, at.leaving, at.order, at.open, *partitions, *whole_keys(at.base)]
        reply: bytes = await self._scripts.run("delete_step", keys, [conversation, STEP, CLAIM_MS, scanned])
        return reply

    async def _drop_foreign(self, conversation: ConversationId) -> bytes:
        """Drop the stock saver's keys: only a look at all keys finds them. No worker can write more of them.

        The replication id of the master looked through: another master may hold keys dropped from that one.
        """
        pattern = f"*{self._keys.conversation(conversation).thread('*')}*"
        master, cursor, claimed_s = b"", b"0", self._clock.monotonic()
        while True:
            if self._clock.monotonic() - claimed_s >= CLAIM_MS / 3000:  # a look may take longer than a claim
                await self._stepped(conversation)
                claimed_s = self._clock.monotonic()
            replid, after, found = await self._scripts.run("scan", [], [cursor, SCANNED, pattern])
            if master not in (b"", replid):  # a cursor means nothing to another master
                master, cursor = b"", b"0"
                continue
            if found:
                async with mapped("deletion", within_s=self._settings.redis_deadline_s):
                    await self._commands.unlink(*found)
            master, cursor = bytes(replid), after
            if cursor == b"0":
                return master


def _ending(at: ConversationKeys) -> list[str]:
    """KEYS of the scripts that end a conversation."""
    shared = at.shared
    gone = [at.leaving, at.deleted, shared.deleting, at.lease, shared.running, at.fifo, shared.queued]
    return [*at.appending, at.members, shared.outbox, *gone]
