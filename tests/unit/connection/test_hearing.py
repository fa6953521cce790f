"""Which pod gives way when it hears nothing: the table of cases, and the watch around it."""

import asyncio
from collections.abc import Mapping

import pytest

from services.connection import ears as module
from services.connection.core.hearing import FRESH_MS, NOBODY, Neighbours, gives_way, neighbours, stays_deaf
from services.connection.ears import Ears
from services.shared.model.errors import BusUnavailable
from services.shared.model.hearing import Hearing
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beat, Beats
from tests.support.waiting import eventually

HEARS = Hearing(0.4, 0, deaf=False)
DEAF = Hearing(13.0, 11, deaf=True)
OWN = NodeId("own")


def beats(*others: int | None, age_ms: int = 0, own: bool = True) -> Beats:
    """Nodes that said 1 (hears), 0 (does not) or nothing of it; `age_ms` before our own beat."""
    said: dict[str, Mapping[str, int]] = {
        f"n{number}": {"connections": 3} if word is None else {"hearing": word}
        for number, word in enumerate(others)
    }
    found = {NodeId(node): Beat(100_000 - age_ms, census) for node, census in said.items()}
    return found | ({OWN: Beat(100_000, {"hearing": 0})} if own else {})


@pytest.mark.parametrize(
    ("hearing", "stays"),
    [
        (HEARS, False),
        (Hearing(4.0, 4, deaf=True), False),  # being opened anew
        (Hearing(60.0, 2, deaf=True), False),  # Redis took no probes: it is away
        (DEAF, True),
    ],
)
def test_a_feed_stays_deaf_when_redis_took_its_probes_and_opening_it_anew_did_not_help(
    hearing: Hearing, stays: bool
) -> None:
    assert stays_deaf(hearing) is stays


@pytest.mark.parametrize(
    ("others", "found"),
    [
        (beats(), NOBODY),
        (beats(1, 1, 0), Neighbours(2, 1)),
        (beats(None, 1), Neighbours(1, 0)),  # an earlier release does not say
        (beats(1, 1, age_ms=FRESH_MS), Neighbours(2, 0)),
        (beats(1, 1, age_ms=FRESH_MS + 1), NOBODY),
        (beats(1, 1, age_ms=-3_600_000), NOBODY),  # stamped by another master's clock
        (beats(1, 1, own=False), NOBODY),
    ],
)
def test_neighbours_count_by_what_they_said_lately(others: Beats, found: Neighbours) -> None:
    assert neighbours(others, OWN) == found


@pytest.mark.parametrize(
    ("own", "others", "yields"),
    [
        (DEAF, Neighbours(1, 0), True),  # alone
        (DEAF, Neighbours(5, 1), True),  # with few
        (DEAF, Neighbours(1, 1), False),  # as many as hear: who would be left?
        (DEAF, Neighbours(0, 4), False),  # all are
        (DEAF, NOBODY, False),  # the only pod
        (HEARS, Neighbours(3, 0), False),
        (Hearing(4.0, 4, deaf=True), Neighbours(3, 0), False),
    ],
)
def test_only_who_stays_deaf_while_most_others_hear_gives_way(
    own: Hearing, others: Neighbours, yields: bool
) -> None:
    assert gives_way(own, others) is yields


class Told:
    """A feed and a roster that say what they are told to."""

    def __init__(self) -> None:
        self.hearing = HEARS
        self.others: Beats | BusUnavailable = beats(1, 1)
        self.asked = 0

    async def beats(self) -> Beats:
        self.asked += 1
        if isinstance(self.others, BusUnavailable):
            raise self.others
        return self.others


async def test_a_pod_gives_way_and_is_fit_again_the_moment_it_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    told = Told()
    ears = Ears(told, told, OWN)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(ears.watch())
        for _ in range(5):
            await asyncio.sleep(0.001)
        assert (ears.fit().ok, told.asked) == (True, 0), "who hears asks for nobody's beats"
        told.hearing = DEAF
        await eventually(lambda: not ears.fit().ok)
        assert ears.fit().facts == {"others_hearing": 2, "others_deaf": 0}
        assert ears.finding().facts == {"hearing": False, "silent_s": 13.0}
        told.others = BusUnavailable("away")
        await eventually(lambda: ears.fit().ok)
        told.others = beats(1, 1)
        await eventually(lambda: not ears.fit().ok)
        told.hearing = HEARS
        assert ears.fit().ok
        assert ears.finding().ok
        watching.cancel()
