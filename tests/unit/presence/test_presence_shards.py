"""Who takes which shard, in pure numbers."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from services.presence.core.shards import Plan, plan
from services.shared.model.presence import ShardLease, ShardLook

TTL_MS = 4_000


def planned(
    me: str, beats: Mapping[str, int], leases: Mapping[int, ShardLease], *, now: int = 0, shards: int = 8
) -> Plan:
    return plan(me, ShardLook(beats, leases, now), shards=shards, ttl_ms=TTL_MS)


def held(by: str, *shards: int, until: int = TTL_MS) -> dict[int, ShardLease]:
    return {shard: ShardLease(by, until) for shard in shards}


def test_one_alone_takes_all() -> None:
    assert planned("a", {}, {}) == Plan(frozenset(), (0, 1, 2, 3, 4, 5, 6, 7), ())


def test_who_has_more_than_its_share_gives_back_once_another_beats() -> None:
    assert planned("a", {"a": 0, "b": 0}, held("a", *range(8))) == Plan(
        frozenset({0, 1, 2, 3}), (), (4, 5, 6, 7)
    )
    assert planned("b", {"a": 0, "b": 0}, held("a", 0, 1, 2, 3)) == Plan(frozenset(), (4, 5, 6, 7), ())


def test_a_lease_that_ran_out_is_free_and_its_silent_holder_counts_no_more() -> None:
    found = planned("b", {"a": 0, "b": TTL_MS}, held("a", *range(8)), now=TTL_MS)
    assert found.take == (0, 1, 2, 3, 4, 5, 6, 7)


def test_what_another_still_holds_is_left_to_it() -> None:
    assert planned("b", {"b": 0}, held("a", *range(8))).take == ()


def test_more_replicas_than_shards_leave_some_without_work() -> None:
    beats = dict.fromkeys("abc", 0)
    assert [len(planned(each, beats, {}, shards=2).take) for each in "abc"] == [1, 1, 0]


@given(
    st.lists(st.sampled_from("abcde"), min_size=1, unique=True),
    st.integers(1, 40),
    st.dictionaries(st.integers(0, 39), st.sampled_from("abcde")),
)
def test_after_a_few_rounds_every_shard_has_one_owner_and_shares_are_fair(
    replicas: list[str], shards: int, owners: dict[int, str]
) -> None:
    now, beats = 0, dict.fromkeys(replicas, 0)
    leases = {shard: ShardLease(owner, TTL_MS) for shard, owner in owners.items() if shard < shards}
    for _ in range(8):
        now += 1_000
        for me in replicas:
            beats[me] = now
            leases = {
                shard: ShardLease(me, now + TTL_MS) if lease.replica == me else lease
                for shard, lease in leases.items()
                if lease.until_ms > now
            }
            found = planned(me, beats, leases, now=now, shards=shards)
            assert not set(found.take) & leases.keys()
            assert all(leases[shard].replica == me for shard in (*found.keep, *found.give))
            for shard in found.give:
                del leases[shard]
            leases |= {shard: ShardLease(me, now + TTL_MS) for shard in found.take}
    counts = [sum(lease.replica == me for lease in leases.values()) for me in replicas]
    assert (len(leases), sum(counts)) == (shards, shards)
    assert max(counts) - min(counts) <= 1
