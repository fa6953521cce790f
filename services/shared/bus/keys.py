"""How every key Continuo has in Redis is spelled. No key is spelled anywhere else.

What each key holds, whose it is and how it ends is in `key_table`, a row for each kind; docs/keys.md shows
it. A key made here without a row there has no owner: the tests and `continuo doctor --keys` name it.
"""

from dataclasses import dataclass

from services.shared.model.errors import BadRequest
from services.shared.model.ids import Channel, ChannelKind, partition_of

BIRTH = "{continuo}:birth"
RESTORING = "{continuo}:restoring"
CONTROL = "{continuo}:control"
NODES = "{continuo}:nodes"
REVOKED = "{continuo}:revoked"
REVOKED_USERS = "{continuo}:revoked-users"
PORTERS = "{continuo}:porters"
CENSUS = "{continuo}:census"
MEMORY = "{continuo}:memory"
"""The index of long-term memory; what its documents' keys begin with, and a colon."""
MEMORY_MADE = "{continuo}:memory-made"
THREADS = "{p*}:c:*:thread:*:order"
"""A pattern that the `order` keys of all threads match, and hardly any other key."""
_THREAD = ":thread:"


def node(node_id: str) -> str:
    """Census of one node."""
    return f"{{continuo}}:node:{node_id}"


def seats(node_id: str) -> str:
    """The connections one node holds."""
    return f"{{continuo}}:node:{node_id}:seats"


def shard(number: int) -> str:
    """The lease of one shard of the presence service's work."""
    return f"{{continuo}}:shard:{number}"


def drain(fleet: str) -> str:
    """The closes that a fleet has left while pods of it drain."""
    return f"{{continuo}}:drain:{fleet}"


def tick(process: str) -> str:
    """The counter whose write is waited for before a process shows what it heard."""
    return f"{{continuo}}:tick:{process}"


def probe(process: str) -> str:
    """The pub/sub channel on which a live feed hears itself."""
    return f"{{continuo}}:probe:{process}"


@dataclass(frozen=True, slots=True)
class PartitionKeys:
    """Keys one partition has once."""

    partition: int

    def _key(self, name: str) -> str:
        return f"{{p{self.partition}}}:{name}"

    @property
    def ready(self) -> str:
        """Stream of conversations that have turns waiting."""
        return self._key("ready")

    @property
    def queued(self) -> str:
        """How many turns its FIFOs hold."""
        return self._key("queued")

    @property
    def running(self) -> str:
        """Leases by when they end."""
        return self._key("running")

    @property
    def outbox(self) -> str:
        """Stream of what other partitions must learn."""
        return self._key("outbox")

    @property
    def departing(self) -> str:
        """Users whose leave is due."""
        return self._key("departing")

    @property
    def crowds(self) -> str:
        """Large conversations whose numbers changed."""
        return self._key("crowds")

    @property
    def dead(self) -> str:
        """Dead letters: turns that failed."""
        return self._key("dead")

    @property
    def replayed(self) -> str:
        """Dead letters whose turn was queued anew."""
        return self._key("replayed")

    @property
    def audit(self) -> str:
        """Stream of what was done: the audit log."""
        return self._key("audit")

    @property
    def denied(self) -> str:
        """Stream of what was denied: the audit log's other part."""
        return self._key("denied")

    @property
    def aging(self) -> str:
        """Conversations by a time at which somebody wrote in them."""
        return self._key("aging")

    @property
    def deleting(self) -> str:
        """Conversations that are being deleted."""
        return self._key("deleting")

    @property
    def conversations(self) -> str:
        """What the keys of its conversations begin with, for scripts that find ids in this partition."""
        return self._key("c:")


@dataclass(frozen=True, slots=True)
class JournalKeys:
    """What a journal lives in. `base` is its head's key and the prefix of all other keys of its owner."""

    partition: int
    base: str

    @property
    def head(self) -> str:
        """Hash with the journal's head."""
        return self.base

    @property
    def journal(self) -> str:
        """Stream of entries."""
        return f"{self.base}:journal"

    @property
    def live(self) -> str:
        """Pub/sub channel of live payloads."""
        return f"{self.base}:live"

    @property
    def appending(self) -> list[str]:
        """KEYS[1], KEYS[2], KEYS[3] of every script that appends: head, journal, live."""
        return [self.head, self.journal, self.live]

    @property
    def shared(self) -> PartitionKeys:
        """The partition's own keys."""
        return PartitionKeys(self.partition)


@dataclass(frozen=True, slots=True)
class ConversationKeys(JournalKeys):
    """All keys of one conversation."""

    @property
    def members(self) -> str:
        """Hash user -> role."""
        return f"{self.base}:members"

    @property
    def left(self) -> str:
        """Where users left."""
        return f"{self.base}:left"

    @property
    def invited(self) -> str:
        """Hash user -> as what, by whom and when it was invited."""
        return f"{self.base}:invited"

    @property
    def leaving(self) -> str:
        """The members of a conversation that is being deleted, as long as they are to be told."""
        return f"{self.base}:leaving"

    @property
    def deleted(self) -> str:
        """That it was deleted, and by whom."""
        return f"{self.base}:deleted"

    @property
    def order(self) -> str:
        """Messages by sequence number."""
        return f"{self.base}:order"

    @property
    def accepted(self) -> str:
        """Message ids that were taken, with what a repeat gets."""
        return f"{self.base}:accepted"

    @property
    def read(self) -> str:
        """Users by the number of the last message they have read."""
        return f"{self.base}:read"

    @property
    def names(self) -> str:
        """Its members, in the order of their names."""
        return f"{self.base}:names"

    @property
    def begun(self) -> str:
        """Turns that it can go back to before."""
        return f"{self.base}:begun"

    @property
    def asked(self) -> str:
        """What agents wait for people to say."""
        return f"{self.base}:asked"

    @property
    def answered(self) -> str:
        """What became of what they asked."""
        return f"{self.base}:answered"

    def message(self, message: str) -> str:
        """One kept message."""
        return f"{self.base}:m:{message}"

    def versions(self, message: str) -> str:
        """What a message said before it was changed."""
        return f"{self.base}:versions:{message}"

    def reactions(self, message: str) -> str:
        """Reactions to a message."""
        return f"{self.base}:reactions:{message}"

    @property
    def open(self) -> str:
        """Headers of unfinished messages."""
        return f"{self.base}:open"

    @property
    def spoken(self) -> str:
        """Lengths of drafts in UTF-16 units."""
        return f"{self.base}:spoken"

    def draft(self, message: str) -> str:
        """Text so far of an unfinished message."""
        return f"{self.base}:draft:{message}"

    @property
    def fifo(self) -> str:
        """Turn ids waiting, the running one first."""
        return f"{self.base}:fifo"

    def turn(self, turn: str) -> str:
        """One turn record."""
        return f"{self.base}:turn:{turn}"

    @property
    def lease(self) -> str:
        """The worker's right to this conversation."""
        return f"{self.base}:lease"

    def thread(self, agent: str) -> str:
        """The name of an agent's thread, which the stock saver's keys hold. Without a colon: that saver does
        not escape it.
        """
        return f"{{p{self.partition}}}{self.base.rpartition(':')[2]}.{agent}"

    @property
    def roster(self) -> str:
        """Connections in this conversation."""
        return f"{self.base}:roster"

    @property
    def seated(self) -> str:
        """How many connections each user has in the roster."""
        return f"{self.base}:seated"

    @property
    def present(self) -> str:
        """Users announced as present."""
        return f"{self.base}:present"

    @property
    def attendees(self) -> str:
        """Members who sit in the conversation or sat there, by name."""
        return f"{self.base}:attendees"

    @property
    def seen(self) -> str:
        """When those who sit there no more left their last seat."""
        return f"{self.base}:seen"

    def sessions(self, user: str) -> str:
        """The traces of a user's sessions that left their seats lately."""
        return f"{self.base}:sessions:{user}"


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """Keys of one thread. `base` is its conversation's; the agent may be empty."""

    base: str
    agent: str

    @property
    def lease(self) -> str:
        """The right to write this thread: its conversation's lease."""
        return f"{self.base}:lease"

    @property
    def order(self) -> str:
        """Sorted set of the names of checkpoints and pending writes."""
        return f"{self.base}:thread:{self.agent}:order"

    @property
    def records(self) -> str:
        """Hash with all that the thread holds."""
        return f"{self.base}:thread:{self.agent}:records"

    @property
    def reading(self) -> list[str]:
        """KEYS of every script that reads the thread: order, records."""
        return [self.order, self.records]

    @property
    def writing(self) -> list[str]:
        """KEYS of every script that writes the thread: lease, order, records."""
        return [self.lease, self.order, self.records]


@dataclass(frozen=True, slots=True)
class UserKeys(JournalKeys):
    """All keys of one user."""

    @property
    def conversations(self) -> str:
        """Conversations the user is (or was) in, by members_version."""
        return f"{self.base}:conversations"

    @property
    def invitations(self) -> str:
        """Conversations the user is invited to, by members_version."""
        return f"{self.base}:invitations"

    @property
    def marks(self) -> str:
        """What the user made of conversations for itself."""
        return f"{self.base}:marks"

    def left(self, conversation: str) -> str:
        """That the user is in a conversation no more."""
        return f"{self.base}:left:{conversation}"

    @property
    def told(self) -> str:
        """Notices from other partitions that were told here lately."""
        return f"{self.base}:told"

    def once(self, key: str) -> str:
        """Position of the append made under an idempotency key."""
        return f"{self.base}:once:{key}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Maker of all partitioned keys; `partitions` is fixed for the life of the data."""

    partitions: int

    def conversation(self, conversation: str) -> ConversationKeys:
        """Keys of a conversation."""
        number = partition_of(conversation, self.partitions)
        return ConversationKeys(number, f"{{p{number}}}:c:{conversation}")

    def thread(self, thread: str) -> ThreadKeys:
        """Keys of a thread, by its id: `<conversation>.<agent>`, or without an agent `<conversation>`.

        Raises BadRequest for an id whose keys could be another thread's.
        """
        conversation, dot, agent = thread.partition(".")
        if not conversation or (dot and not agent) or _THREAD in thread:
            raise BadRequest(f"{thread!r} is not a thread id; <conversation>.<agent> is")
        return ThreadKeys(self.conversation(conversation).base, agent)

    def thread_of(self, order: str) -> str | None:
        """The id of the thread whose `order` this key is; None when it is no such key."""
        if not order.endswith(":order"):
            return None
        base, _, agent = order.removesuffix(":order").rpartition(_THREAD)
        conversation = base.partition(":c:")[2]
        thread = f"{conversation}.{agent}" if agent else conversation
        return thread if conversation and self.conversation(conversation).base == base else None

    def user(self, user: str) -> UserKeys:
        """Keys of a user."""
        number = partition_of(user, self.partitions)
        return UserKeys(number, f"{{p{number}}}:u:{user}")

    def channel(self, channel: Channel) -> JournalKeys:
        """Keys of the journal behind a channel."""
        return (
            self.conversation(channel.id)
            if channel.kind is ChannelKind.CONVERSATION
            else self.user(channel.id)
        )

    def shared(self) -> list[PartitionKeys]:
        """The partition-wide keys of all partitions."""
        return [PartitionKeys(number) for number in range(self.partitions)]
