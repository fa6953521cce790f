"""When a master may be moved on purpose, by what servers said."""

from dataclasses import replace

import pytest

from services.local.fitness import Group, agreed, behind, unfit
from services.shared.bus.examine import Replication, SentinelView

MASTER, NEAR, FAR = ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)
ONE, TWO, THREE = ("127.0.0.1", 7), ("127.0.0.1", 8), ("127.0.0.1", 9)
VIEW = SentinelView(MASTER, frozenset({"master"}), 2, True, 2, (NEAR, FAR), 2, (NEAR, FAR))
LEADS = Replication("master", False, False, 2, "a", 100)
FOLLOWS = Replication("slave", False, True, 0, "a", 100)
SOUND = Group({ONE: VIEW, TWO: VIEW, THREE: VIEW}, LEADS, {NEAR: FOLLOWS, FAR: FOLLOWS})


def test_a_sound_group_may_be_moved_also_with_one_sentinel_down() -> None:
    assert unfit(SOUND) == []
    assert unfit(replace(SOUND, views={**SOUND.views, TWO: None})) == []


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (
            replace(SOUND, views={ONE: VIEW, TWO: None, THREE: None}),
            "1 of 3 Sentinels answer, 2 have",
        ),
        (replace(SOUND, views={ONE: replace(VIEW, other_sentinels=4)}), "1 of 1 Sentinels answer, 3 have"),
        (replace(SOUND, views={**SOUND.views, TWO: replace(VIEW, master=NEAR)}), "different masters"),
        (replace(SOUND, views={**SOUND.views, TWO: replace(VIEW, quorum_reachable=False)}), "quorum"),
        (
            replace(SOUND, views={**SOUND.views, TWO: replace(VIEW, flags=frozenset({"s_down"}))}),
            "of the master: s_down",
        ),
        (replace(SOUND, master=None), "the master does not answer"),
        (replace(SOUND, master=FOLLOWS), "says it is a slave"),
        (replace(SOUND, replicas={}), "no replica could become master"),
        (replace(SOUND, replicas={NEAR: FOLLOWS, FAR: None}), "127.0.0.1:3 does not answer"),
        (replace(SOUND, replicas={NEAR: FOLLOWS, FAR: LEADS}), "127.0.0.1:3 says it is a master"),
        (replace(SOUND, replicas={NEAR: replace(FOLLOWS, link_up=False)}), "127.0.0.1:2 has no link"),
        (replace(SOUND, replicas={NEAR: replace(FOLLOWS, master_replid="b")}), "another history"),
        (replace(SOUND, forbidden=("REPLICAOF",)), "may not give REPLICAOF"),
    ],
)
def test_each_thing_that_could_lose_something_is_a_reason_of_its_own(group: Group, reason: str) -> None:
    [found] = unfit(group)
    assert reason in found


def test_a_replica_is_behind_until_it_holds_the_last_byte() -> None:
    said = {NEAR: FOLLOWS, FAR: replace(FOLLOWS, offset=99), MASTER: None}
    assert behind(100, said) == [FAR, MASTER]
    assert behind(99, {NEAR: FOLLOWS, FAR: FOLLOWS}) == []


def test_a_new_master_is_one_that_a_majority_names() -> None:
    assert agreed([NEAR, MASTER, NEAR], 2, MASTER) == NEAR
    assert agreed([NEAR, MASTER, None], 2, MASTER) is None
    assert agreed([NEAR, FAR, MASTER], 2, MASTER) is None
    assert agreed([MASTER, MASTER, MASTER], 2, MASTER) is None
    assert agreed([None, None, None], 2, MASTER) is None
