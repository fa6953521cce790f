"""Rows of the table of keys: those of users, partitions and the whole house. Pure."""

from collections.abc import Iterator

from services.shared.bus.key_row import CHANNEL, HASH, INDEX, STREAM, STRING, ZSET, Names, Owner, Row

_USER = "{p}:u:<user>"


def of_users() -> Iterator[Row]:
    def row(name: str, kind: str, ends: str, holds: str, **more: object) -> Row:
        return Row(_USER + name, kind, Owner.USER, ends, holds, **more)  # type: ignore[arg-type]

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


def of_partitions() -> Iterator[Row]:
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
        " user's channel: receipt.read, message.mentioned, member.changed, conversation.updated, without"
        " version. Of a turn asked to"
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


def of_the_house() -> Iterator[Row]:
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
