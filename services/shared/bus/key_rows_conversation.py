"""Rows of the table of keys: those of a conversation, its threads among them. Pure."""

from collections.abc import Iterator

from services.shared.bus.key_row import CHANNEL, HASH, JSON, LIST, STREAM, STRING, ZSET, Owner, Row

CONVERSATION = "{p}:c:<conversation>"
"""How the keys of a conversation begin."""
_THREAD = "{p}<conversation>.<agent>"
_WITH = "with the conversation"
_GONE = "with the conversation; empty = gone"
_STOCK = "with the conversation; older ones by trimming"


def of_conversations() -> Iterator[Row]:
    def row(name: str, kind: str, ends: str, holds: str, *, expires: bool = False, most: str = "") -> Row:
        return Row(CONVERSATION + name, kind, Owner.CONVERSATION, ends, holds, expires, most)

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
    yield row(":names", ZSET, _WITH, "scores 0; the members, in the order of their names, for pages of them")
    yield row(":leaving", HASH, "empty = gone", "what :members was, while it is deleted, until all are told")
    yield Row(
        CONVERSATION + ":deleted",
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
        CONVERSATION + ":sessions:<member>",
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


def of_stock_threads() -> Iterator[Row]:
    def row(pattern: str, kind: str, ends: str, holds: str) -> Row:
        return Row(pattern.replace("<thread>", _THREAD), kind, Owner.CONVERSATION, ends, holds)

    yield row("checkpoint:<thread>:<rest>", JSON, _STOCK, "stock saver: a state of the thread")
    yield row("checkpoint_latest:<thread>:<rest>", STRING, _WITH, "stock saver: key of the newest checkpoint")
    yield row("checkpoint_write:<thread>:<rest>", JSON, _STOCK, "stock saver: what a task wrote")
    yield row("write_keys_zset:<thread>:<rest>", ZSET, _STOCK, "stock saver: keys of what the tasks wrote")
