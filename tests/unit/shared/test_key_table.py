"""The table of keys: every key that is spelled has one row, and a key is judged by it."""

import inspect
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.shared.bus import keys
from services.shared.bus.key_faults import Fact, Tally, Wrong, judge
from services.shared.bus.key_row import KEYLESS, STRING
from services.shared.bus.key_table import ROWS, match
from services.shared.bus.keys import Keys, PartitionKeys

PARTITIONS = 64
CONVERSATION = "01936f2c-7f00-7000-8000-000000000001"
HOUSE = Keys(PARTITIONS)
TALK = HOUSE.conversation(CONVERSATION)
ANN = HOUSE.user("ann.b_c-d@example.org")
NO_KEYS = {"live"}
"""Properties of key makers that are no key: channels."""


def spelled() -> Iterator[str]:
    """All keys that the makers in `keys` make."""
    thread = HOUSE.thread(f"{CONVERSATION}.assistant")
    for maker in (TALK, ANN, thread, HOUSE.thread(CONVERSATION), TALK.shared):
        for name, member in inspect.getmembers(type(maker)):
            prefix = isinstance(maker, PartitionKeys) and name == "conversations"
            if isinstance(member, property) and isinstance(key := getattr(maker, name), str):
                if name not in NO_KEYS and not prefix:
                    yield key
            elif inspect.isfunction(member) and not name.startswith("_") and name != "thread":
                yield member(maker, "some-word")
    for word in (keys.node, keys.seats, keys.tick, keys.drain):
        yield word("connection-1")
    yield keys.shard(7)
    yield from (
        keys.BIRTH,
        keys.RESTORING,
        keys.CONTROL,
        keys.NODES,
        keys.PORTERS,
        keys.CENSUS,
        keys.REVOKED,
        keys.REVOKED_USERS,
        keys.MEMORY_MADE,
        f"{keys.MEMORY}:0a:1b",
    )
    for name in ("checkpoint", "checkpoint_latest", "checkpoint_write", "write_keys_zset"):
        yield f"{name}:{TALK.thread('assistant')}:__empty__:a|b:c"


@pytest.mark.parametrize("key", sorted(set(spelled())))
def test_every_key_that_is_spelled_has_a_row(key: str):
    assert match(key) is not None


def test_every_row_has_a_key_that_is_spelled():
    rows = {found.row for key in spelled() if (found := match(key))}
    assert {row for row in ROWS if row.type not in KEYLESS} == rows


def test_a_key_tells_its_partition_and_whose_it_is():
    found = match(TALK.message("m1"))
    assert found is not None
    assert (found.partition, found.of["conversation"]) == (TALK.partition, CONVERSATION)
    found = match(f"checkpoint_latest:{TALK.thread('assistant')}:__empty__")
    assert found is not None
    assert (found.partition, found.of["conversation"]) == (TALK.partition, CONVERSATION)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "session:1",
        "{p0}:x",
        f"{TALK.head}:more",
        f"{TALK.head}:m:a:b",
        "{px}:ready",
        "{continuo}:memory:x",
    ],
)
def test_a_key_of_nobody_has_none(key: str):
    assert match(key) is None


DRAFT = Fact(TALK.draft("m1"), match(TALK.draft("m1")), STRING, ttl_ms=5, length=1)
FIFO = Fact(TALK.fifo, match(TALK.fifo), "list", ttl_ms=-1, length=100)
ELSEWHERE = f"{{p{(TALK.partition + 1) % PARTITIONS}}}:c:{CONVERSATION}:members"


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [
        (DRAFT, []),
        (FIFO, []),
        (replace(DRAFT, ttl_ms=-1), [Wrong.STAYS]),
        (replace(DRAFT, owned=False), [Wrong.ORPHAN]),
        (replace(DRAFT, type="hash"), [Wrong.TYPE]),
        (replace(FIFO, length=101), [Wrong.LONG]),
        (replace(DRAFT, gone=("c1", "c2")), [Wrong.ORPHAN, Wrong.ORPHAN]),
        (Fact("what", None, "set", ttl_ms=5, length=1), [Wrong.UNKNOWN]),
        (Fact(ELSEWHERE, match(ELSEWHERE), "hash", ttl_ms=-1, length=1), [Wrong.MISPLACED]),
        (Fact("{p64}:ready", match("{p64}:ready"), "stream", ttl_ms=-1, length=1), [Wrong.MISPLACED]),
        (replace(DRAFT, ttl_ms=-1, owned=False), [Wrong.STAYS, Wrong.ORPHAN]),
    ],
)
def test_a_key_is_judged_by_its_row(fact: Fact, wrong: list[Wrong]):
    faults = list(judge(fact, {"fifo_length": 100}, PARTITIONS))
    assert [fault.wrong for fault in faults] == wrong
    assert {fault.key for fault in faults} <= {fact.key}


def test_a_tally_estimates_what_was_not_weighed():
    tally = Tally()
    for size in (100, None, 300, None):
        tally.add(replace(DRAFT, size=size), [])
    assert DRAFT.match is not None
    count = tally.counts[DRAFT.match.row]
    assert (count.keys, count.bytes, count.staying, count.orphans) == (4, 800, 0, 0)
