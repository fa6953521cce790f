"""The table of all keys in Redis: content, type, owner, end. docs/keys.md is made from it.

`keys` spells the names, this table says what each stands for; `key_faults` judges a key by its row. A key
that no row matches has no owner, and the scan names it. Pure. Must never match a key by two rows.

In a pattern `{p}` is the hash tag of partition n, `{p<n>}`: all keys of one conversation (or one user) share
it, so one script can touch them, and a whole partition can move to another master. What concerns two
partitions goes through the outbox.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache


class Owner(StrEnum):
    """Whose a key is: what must be there for it to be there."""

    CONVERSATION = "conversation"
    USER = "user"
    NODE = "node"
    PROCESS = "process"
    PARTITION = "partition"
    HOUSE = "the whole house"
    GRAPHS = "graphs"


class Names(StrEnum):
    """Where a key's content names conversations, which must be there."""

    NOWHERE = ""
    FIELDS = "fields"
    MEMBERS = "members"


HASH, STREAM, STRING, ZSET, LIST = "hash", "stream", "string", "zset", "list"
JSON, CHANNEL, INDEX = "ReJSON-RL", "pub/sub", "index"
KEYLESS = frozenset({CHANNEL, INDEX})
"""Types of names that are no keys."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of key.

    type: as TYPE says. ends: how, in words. expires: it must have a TTL. most: a bound of its length, by the
    name of the limit. names: where its content names conversations.
    """

    pattern: str
    type: str
    owner: Owner
    ends: str
    holds: str
    expires: bool = False
    most: str = ""
    names: Names = Names.NOWHERE


@dataclass(frozen=True, slots=True)
class Match:
    """A key read by its row; `partition` -1 and names empty where the pattern has none."""

    row: Row
    partition: int = -1
    of: dict[str, str] = field(default_factory=dict)


_C, _U = "{p}:c:<conversation>", "{p}:u:<user>"
_THREAD = "{p}<conversation>.<agent>"
_WITH = "with the conversation"
_GONE = "with the conversation; empty = gone"
_STOCK = "with the conversation; older ones by trimming"


def _of_conversations() -> Iterator[Row]:
    def row(name: str, kind: str, ends: str, holds: str, *, expires: bool = False, most: str = "") -> Row:
        return Row(_C + name, kind, Owner.CONVERSATION, ends, holds, expires, most)

    yield row(
        "",
        HASH,
        "when it is deleted",
        "title, created_ms, created_by, agents (comma list), answers (JSON: agent -> always,"
        " mention or never), double_texting, heard:<agent> (the message_seq up to which it was asked),"
        " format, members_version, message_seq, back_floor (the message_seq from which there is no way back),"
        " lease_token, waits:<agent> (the turn after which its thread waits for a person);"
        " journal head: top, low, forks, born, low_delta",
    )
    yield row(":members", HASH, _WITH, "user -> role (owner, member, reader)")
    yield row(
        ":journal",
        STREAM,
        "length bound, TTL",
        "id <offset>-0; fields k (kind e or d), b (JSON body), m (message id, deltas only)",
        expires=True,
        most="journal_length",
    )
    yield row(
        ":left",
        HASH,
        "length bound, TTL",
        'user -> "<epoch> <offset> <ms>" of the user\'s member.left or member.declined, for its repeat',
        expires=True,
        most="left_length",
    )
    yield row(
        ":invited",
        HASH,
        "length bound; a field when it is answered or withdrawn; empty = gone",
        'user -> "<role> <by> <ms>": who is asked to become a member',
        most="invited_length",
    )
    yield row(":leaving", HASH, "empty = gone", "what :members was, while it is deleted, until all are told")
    yield Row(
        _C + ":deleted",
        STRING,
        Owner.PARTITION,
        "TTL",
        '"<epoch> <offset> <user>" of its conversation.deleted: for repeats, and nobody makes it anew',
        expires=True,
    )
    yield row(
        ":order",
        ZSET,
        "length bound, if CONTINUO_MESSAGES_KEPT sets one",
        "message id -> message_seq",
        most="messages_kept",
    )
    yield row(
        ":m:<message>",
        HASH,
        _WITH,
        "id, user or agent, text, created_ms, seq, digest and trace (people's only), epoch, offset, turn,"
        " attempt, turns (comma list, people's only), replays (comma list: turns queued anew for it), resumes"
        " (comma list: turns that brought answers to what was asked because of it), reply_to, mentions (comma"
        " list: members it names), edits, deleted (by"
        " whom), reacted (how many reactions), asked (comma list: agents"
        " it was put to, people's only), heard_in (comma list: turns of other messages it is heard in)",
    )
    yield row(
        ":versions:<message>",
        LIST,
        "with its message; length bound",
        '"<ms> <text>": what a message said until then, the oldest first',
        most="versions_length",
    )
    yield row(
        ":reactions:<message>",
        HASH,
        "with its message; length bound",
        '"<reaction> <user>" -> when, ms',
        most="reactions_length",
    )
    yield row(
        ":accepted",
        ZSET,
        "a member by age (two accept windows and an hour), TTL",
        'scores 0; "<id> <user> <digest> <epoch> <offset> <turns>" of people\'s messages and answers, by when'
        " the id was made: what a repeat is known by, also when the message is gone",
        expires=True,
    )
    yield row(
        ":open",
        HASH,
        "completion or retraction, at the latest when the turn is begun anew",
        'message or call id -> header of an unfinished message or call of a tool, JSON {"first": offset of'
        ' its message.started or tool.started, "agent", "turn", "attempt"}, of a call also "kind", "name",'
        ' "path"',
    )
    yield row(
        ":asked",
        HASH,
        "a field when it is answered or withdrawn, at the latest with the message it is about",
        'interrupt id -> JSON {"time", "interrupt", "turn", "agent", "value", "schema" if there is one}: what'
        " agents wait for people to say",
    )
    yield row(
        ":answered",
        HASH,
        "length bound",
        'interrupt id -> JSON {"outcome" (answered, withdrawn), "user" if known, "turn", "time"}: what became'
        " of it; gone where it is asked anew",
        most="answered_length",
    )
    yield row(
        ":read",
        HASH,
        "a field with the membership",
        "user -> message_seq of the last message the user has read",
    )
    yield row(
        ":begun",
        LIST,
        "length bound",
        '"<turn> <agent> <low> <high> <message> <ms> <kind>" of turns that it can go back to before, the'
        " oldest first (see lua/ledger.lua)",
        most="begun_length",
    )
    yield row(":spoken", HASH, "as :open", "message or call id -> UTF-16 units in its draft")
    yield row(":draft:<message>", STRING, "as :open, and TTL", "its text so far", expires=True)
    yield row(
        ":fifo",
        LIST,
        "empty = gone",
        "turn ids waiting; the running one stays at the head until finished",
        most="fifo_length",
    )
    yield row(
        ":turn:<turn>",
        HASH,
        "TTL after its finish; of a failed one not before its dead letter's; none while its thread waits",
        "turn record: id, conversation, agent, messages (comma list), state, attempts, trace,"
        " queued_ms, format,"
        " ... (see lua/fence.lua)",
    )
    yield row(":lease", HASH, "release", "token, attempt, worker, until_ms, lease_ms, begun (a turn)")
    yield row(
        ":roster", HASH, _GONE, "connection id -> JSON {user, node, info, stamp, trace if there is one}"
    )
    yield row(":seated", HASH, _GONE, "user -> number of its connections in the roster")
    yield row(":present", HASH, _GONE, "user -> ClientInfo JSON the user's presence was announced with")
    yield row(
        ":attendees",
        ZSET,
        f"{_GONE}; a member when it is seen to be no member any more",
        "scores 0; members who sit in the conversation or sat there",
    )
    yield row(
        ":seen",
        HASH,
        f"{_GONE}; a field with its user's next seat",
        "user -> when its last seat went, ms",
    )
    yield Row(
        _C + ":sessions:<member>",
        STRING,
        Owner.PARTITION,
        "a minute",
        "comma list: traceparents of the user's sessions that left a seat here, the last one first; only with"
        " traces on",
        expires=True,
    )
    yield row(":live", CHANNEL, "-", "live payloads (see wire/envelopes.py)")
    yield row(
        ":thread:<agent>:order",
        ZSET,
        "with the conversation; TTL if CONTINUO_THREAD_TTL_S is set",
        "scores 0; names of checkpoints (c <space> <checkpoint>) and of pending writes (w <space>"
        " <checkpoint>"
        " <task> <index>), the parts joined by NUL",
    )
    yield row(
        ":thread:<agent>:records",
        HASH,
        "as :order",
        "name -> record: headers (h), bodies (b), values of channels (v), their elements (e),"
        " pending writes (w);"
        " see thread_records.py",
    )


def _of_users() -> Iterator[Row]:
    def row(name: str, kind: str, ends: str, holds: str, **more: object) -> Row:
        return Row(_U + name, kind, Owner.USER, ends, holds, **more)  # type: ignore[arg-type]

    yield row("", HASH, "TTL", "journal head of the user channel: top, low, forks, born", expires=True)
    yield row(
        ":journal",
        STREAM,
        "length bound, TTL",
        "as a conversation's",
        expires=True,
        most="journal_length",
    )
    yield row(
        ":conversations",
        HASH,
        "a field with the membership; empty = gone",
        "conversation -> members_version of the change that put it there",
        names=Names.FIELDS,
    )
    yield row(
        ":invitations",
        HASH,
        "a field when the invitation ends; empty = gone",
        "conversation -> members_version of the change that put it there",
        names=Names.FIELDS,
    )
    yield row(
        ":marks",
        HASH,
        "a field with the membership, or when it says nothing; empty = gone",
        'conversation -> "<muted until, ms; 0 not, - for good> <1 archived>"',
        names=Names.FIELDS,
    )
    yield row(
        ":left:<conversation>",
        STRING,
        "TTL",
        "members_version of the change that ended the user's membership: an older one, carried late, changes"
        " nothing",
        expires=True,
    )
    yield row(
        ":told",
        ZSET,
        "a member after an hour, TTL",
        '"<conversation> <outbox entry>" of notices that were told here -> when, ms: a repeat of the relay\'s'
        " tells nothing",
        expires=True,
    )
    yield row(
        ":once:<key>",
        STRING,
        "TTL",
        '"<epoch> <offset>" of the append made under this idempotency key',
        expires=True,
    )
    yield row(":live", CHANNEL, "-", "live payloads")


def _of_partitions() -> Iterator[Row]:
    def row(name: str, kind: str, ends: str, holds: str, **more: object) -> Row:
        return Row("{p}:" + name, kind, Owner.PARTITION, ends, holds, **more)  # type: ignore[arg-type]

    yield row(
        "ready",
        STREAM,
        "an entry at claim",
        "group `workers`; c = conversation id with turns waiting",
    )
    yield row("queued", STRING, "never: one number", "how many turns the partition's FIFOs hold")
    yield row(
        "running", ZSET, "a member at release", "conversation id -> lease until_ms", names=Names.MEMBERS
    )
    yield row(
        "outbox",
        STREAM,
        "an entry when the relay has carried it",
        "group `relay`; what other partitions must learn. Fields: kind (member.joined, member.left,"
        " member.invited, member.declined, conversation.deleted), conversation, user, version"
        " (members_version of the change), payload (JSON"
        " event for the user's channel, without time; none in the word to all processes). Notices for a"
        " user's channel: receipt.read, message.mentioned, without version. Of a turn asked to"
        " stop: kind turn.cancel, conversation, user, turn",
    )
    yield row(
        "aging",
        ZSET,
        "a member with its conversation",
        "conversation id -> when somebody wrote in it, in ms; not the last time (see lua/untouched.lua)",
        names=Names.MEMBERS,
    )
    yield row(
        "deleting",
        ZSET,
        "a member when nothing is left of it",
        "conversation id -> when somebody is to go on deleting it, in ms",
        names=Names.MEMBERS,
    )
    yield row(
        "audit",
        STREAM,
        "length bound, age (CONTINUO_AUDIT_DAYS)",
        "audit log, what was done: action, actor, conversation, target, connection, trace; of a connect also"
        " code, times, note",
        most="audit_length",
    )
    yield row(
        "denied",
        STREAM,
        "length bound, age (CONTINUO_AUDIT_DAYS)",
        "audit log, what was denied: the same, with code (of the reply or close), times, note (by which a"
        " repeated entry is known)",
        most="audit_denials",
    )
    yield row(
        "crowds",
        ZSET,
        "a member when its numbers are told",
        "conversation with many present, where somebody came or went -> when to tell how many are there, ms",
    )
    yield row("departing", ZSET, "a member when its leave is announced", '"<conversation> <user>" -> due ms')
    yield row(
        "dead",
        ZSET,
        "length bound, TTL; a member when it is replayed or discarded, or with its turn's message",
        'dead letters: "<conversation> <turn>" of a turn that failed -> when, ms; what it says is the turn'
        " record",
        expires=True,
        most="dead_letters",
        names=Names.MEMBERS,
    )
    yield row(
        "replayed",
        ZSET,
        "length bound, TTL",
        'dead letters whose turn was queued anew: "<conversation> <turn>" -> when, ms',
        expires=True,
        most="dead_letters",
        names=Names.MEMBERS,
    )


def _of_stock_threads() -> Iterator[Row]:
    def row(pattern: str, kind: str, ends: str, holds: str) -> Row:
        return Row(pattern.replace("<thread>", _THREAD), kind, Owner.CONVERSATION, ends, holds)

    yield row("checkpoint:<thread>:<rest>", JSON, _STOCK, "stock saver: a state of the thread")
    yield row("checkpoint_latest:<thread>:<rest>", STRING, _WITH, "stock saver: key of the newest checkpoint")
    yield row("checkpoint_write:<thread>:<rest>", JSON, _STOCK, "stock saver: what a task wrote")
    yield row("write_keys_zset:<thread>:<rest>", ZSET, _STOCK, "stock saver: keys of what the tasks wrote")


def _of_the_house() -> Iterator[Row]:
    def row(name: str, kind: str, owner: Owner, ends: str, holds: str, **more: object) -> Row:
        return Row("{continuo}:" + name, kind, owner, ends, holds, **more)  # type: ignore[arg-type]

    house = Owner.HOUSE
    yield row(
        "birth", STRING, house, "never", "id of this life of Redis: another one, and everything was lost"
    )
    yield row(
        "restoring",
        STRING,
        house,
        "when the restore is over",
        '"<id> <floor of the lease tokens>" of a restore under way; its id becomes the birth. '
        "`continuo backup` refuses while it is there",
    )
    yield row("control", STREAM, house, "length bound", "control entries", most="control_length")
    yield row(
        "revoked",
        ZSET,
        house,
        "TTL (400 days); a member when the token would have ended, else after so long",
        "id of a token that is taken no more (`jti`) -> until when that is remembered, ms",
        expires=True,
    )
    yield row(
        "revoked-users",
        ZSET,
        house,
        "TTL (400 days); a member after so long",
        "user -> ms; tokens issued before that are taken no more",
        expires=True,
    )
    yield row("nodes", ZSET, house, "a member when the node is reaped", "node id -> last beat ms")
    yield row(
        "node:<node>",
        HASH,
        Owner.NODE,
        "TTL",
        "census of a node; after = an answered beat",
        expires=True,
    )
    yield row(
        "node:<node>:seats",
        HASH,
        Owner.NODE,
        "a field at leave, or when the node is reaped",
        '"<connection> <conversation>" -> "<user> <stamp>"',
    )
    yield row(
        "census",
        HASH,
        house,
        "TTL",
        "node id -> JSON {connections, draining, users, channels, connects, age_s, stale}; sums -> JSON of"
        " those that are not stale, with at_ms, when this was written, by the clock of Redis",
        expires=True,
    )
    yield row(
        "porters",
        ZSET,
        house,
        "a member when its replica ends or is silent",
        "replica of the presence service -> last beat ms",
    )
    yield row(
        "shard:<number>",
        STRING,
        house,
        "TTL, or when it is given back",
        "lease: the replica of the presence service that works for this group of partitions",
        expires=True,
    )
    yield row(
        "drain:<fleet>",
        HASH,
        house,
        "TTL",
        "budget of a fleet's closes: tokens, at_us (when they were counted, by Redis' clock)",
        expires=True,
    )
    yield row("tick:<process>", STRING, Owner.PROCESS, "TTL", "counter of replication ticks", expires=True)
    yield row("probe:<process>", CHANNEL, Owner.PROCESS, "-", "the live feed's own probe")
    yield row("memory", INDEX, house, "-", "the index over the documents of long-term memory, by RediSearch")
    yield row(
        "memory:<digest>:<digest>",
        HASH,
        Owner.GRAPHS,
        "when a graph deletes it; nothing else bounds it",
        "(digests of namespace and of key) format, namespace (JSON array), key, value (JSON),"
        " above (digests of"
        " the namespace and of all above it, comma list), order, created_ms, updated_ms",
    )
    yield row("memory-made", STRING, house, "never: one number", "documents ever made: their order")


ROWS: tuple[Row, ...] = (
    *_of_conversations(),
    *_of_users(),
    *_of_partitions(),
    *_of_stock_threads(),
    *_of_the_house(),
)
"""Every kind of key, in the order of the page."""

_PLACES = {
    "{p}": r"\{p(?P<partition>\d+)\}",
    "<conversation>": r"(?P<conversation>[^:.]+)",
    "<user>": r"(?P<user>[^:]+)",
    "<node>": r"(?P<node>[^:]+)",
    "<agent>": r"[^:]*",
    "<digest>": r"[0-9a-f]+",
    "<number>": r"\d+",
    "<key>": r".+",
    "<rest>": r".+",
}
_PLACE = re.compile(r"(\{p\}|<\w+>)")


def match(key: str) -> Match | None:
    """Find the row a key is of; None: it is none of ours."""
    for row in ROWS:
        if row.type not in KEYLESS and (found := _expression(row.pattern).fullmatch(key)):
            of = {name: value for name, value in found.groupdict().items() if name != "partition"}
            return Match(row, int(found.groupdict().get("partition") or -1), of)
    return None


def whole_keys(base: str) -> list[str]:
    """The keys a conversation has once, beside its head; `base` is the head's. Whoever deletes it drops them
    all, so a new one needs no more than its row.
    """
    suffixes = [
        row.pattern.removeprefix(_C) for row in ROWS if row.owner is Owner.CONVERSATION and _is_whole(row)
    ]
    return [f"{base}{suffix}" for suffix in suffixes]


def _is_whole(row: Row) -> bool:
    suffix = row.pattern.removeprefix(_C)
    return row.type not in KEYLESS and suffix.startswith(":") and "<" not in suffix


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = _PLACE.split(pattern)
    # every second part is a place; what has no form of its own is a word without a colon
    places = [
        _PLACES.get(each, r"[^:]+") if index % 2 else re.escape(each) for index, each in enumerate(parts)
    ]
    return re.compile("".join(places), re.DOTALL)
