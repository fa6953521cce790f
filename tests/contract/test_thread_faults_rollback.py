"""A failover takes the last writes of a running turn back: it goes on, and its thread shows nothing of it.

With `acks=replica` that happens to what a worker did not wait for; here to any write, as with `acks=master`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from services.conversation.graph.agent import AgentError
from services.local.embedded import EmbeddedRedis
from services.shared.bus import scripts
from services.shared.bus.house import Bus
from services.shared.model.errors import UnreadableCheckpoint
from tests.support.open_bus import open_bus
from tests.support.saver_twins import differences
from tests.support.thread_faults import Losing, Port
from tests.support.thread_faults_graphs import WHOLE, Kind, asking, three_nodes, with_changes_alone
from tests.support.thread_faults_turns import Asked, assert_state, threads_of

LOOK = "if not stands(space, parent) then return refused('no_parent') end"
MOST_BACK = 2
ALL = {**WHOLE, "with_changes_alone": with_changes_alone}


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


async def losses(bus: Bus, kind: Kind, slow: bool) -> list[tuple[int, int, int]]:
    """After which write, how many, and how many puts the turn has: all that a later put can make good."""
    port, hurt = Port(bus.checkpoints), kind()
    await (await Asked.new(bus)).attempt(hurt.slow(port) if slow else hurt, port)
    checkpoints = [each.place for each in port.landed if each.put]
    puts = len(set(checkpoints))  # what was not waited for is put once more at the end
    last = next(at for at, each in enumerate(port.landed) if each.put and each.place == checkpoints[-1])
    return [(at, back, puts) for at in range(1, last + 1) for back in range(1, min(at, MOST_BACK) + 1)]


async def history(asked: Asked) -> list[Any]:
    """All the thread's checkpoints, by a reader that knows nothing of it."""
    config: Any = {"configurable": {"thread_id": asked.thread}}
    return [each async for each in threads_of(asked.talk.bus.checkpoints).reader().alist(config)]


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("kind", WHOLE.values(), ids=WHOLE.keys())
async def test_a_run_whose_last_writes_were_taken_back_goes_on_and_loses_nothing(
    bus: Bus, kind: Kind, slow: bool
) -> None:
    lost = 0
    for at, back, puts in await losses(bus, kind, slow):
        asked, hurt, port = await Asked.new(bus), kind(), Losing(bus, at, back, puts)
        await asked.attempt(hurt.slow(port) if slow else hurt, port)
        lost += port.lost == back
        assert sorted(hurt.ran) == sorted(set(hurt.ran))
        assert_state(await asked.state(hurt), await asked.undisturbed(kind), f"{back} lost after write {at}")
        assert all(each.checkpoint["channel_values"] is not None for each in await history(asked))
    assert lost >= puts


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
async def test_a_run_whose_changes_were_taken_back_begins_an_attempt_anew(bus: Bus, slow: bool) -> None:
    """Such a graph does not hand its values over: what Redis has is where it goes on."""
    anew = 0
    for at, back, puts in await losses(bus, with_changes_alone, slow):
        asked, hurt, port = await Asked.new(bus), with_changes_alone(), Losing(bus, at, back, puts)
        await asked.attempts(hurt.slow(port) if slow else hurt, port)
        anew += len(hurt.ran) > len(set(hurt.ran))
        undisturbed = await asked.undisturbed(with_changes_alone)
        assert_state(await asked.state(hurt), undisturbed, f"{back} lost after write {at}")
    assert anew, "no loss was of anything that was needed"


@pytest.fixture
def unlooked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A put that does not look for what it stands on."""
    source = scripts._source
    assert LOOK in source("thread_put")
    monkeypatch.setattr(scripts, "_source", lambda name: source(name).replace(LOOK, ""))
    scripts.script.cache_clear()
    yield
    scripts.script.cache_clear()


@pytest.mark.usefixtures("unlooked")
@pytest.mark.parametrize("kind", [three_nodes, with_changes_alone])
async def test_without_a_look_at_what_a_put_stands_on_threads_would_be_lost(bus: Bus, kind: Kind) -> None:
    """The control: nobody hears of it, and the thread is another, or none that can be read."""
    other = unreadable = 0
    for at, back, puts in await losses(bus, kind, slow=True):
        asked, hurt, port = await Asked.new(bus), kind(), Losing(bus, at, back, puts)
        with suppress(AgentError):
            await asked.attempt(hurt.slow(port), port)
        try:
            state = await asked.state(hurt)
        except UnreadableCheckpoint:
            unreadable += 1
        else:
            other += bool(differences(state, await asked.undisturbed(kind)))
    assert other
    assert unreadable


@pytest.mark.parametrize("kind", ALL.values(), ids=ALL.keys())
async def test_what_a_turn_ends_with_is_replicated_before_it_is_told(bus: Bus, kind: Kind) -> None:
    """No later put would find it missing."""
    asked, hurt = await Asked.new(bus), kind()
    port = Losing(bus, at=-1, back=0, puts=0)
    await asked.attempt(hurt.slow(port), port)
    await port.lose_what_nobody_waited_for(asked.thread)
    assert_state(await asked.state(hurt), await asked.undisturbed(kind), "after the turn's end")


async def test_a_question_to_a_person_is_replicated_before_the_turn_is_told_to_wait(bus: Bus) -> None:
    """It is a pending write, behind which no checkpoint comes."""
    asked, hurt = await Asked.new(bus), asking()
    port = Losing(bus, at=-1, back=0, puts=0)
    await asked.attempt(hurt.slow(port), port)
    await port.lose_what_nobody_waited_for(asked.thread)
    graph = hurt.graph.copy(update={"checkpointer": threads_of(bus.checkpoints).reader()})
    state = await graph.aget_state({"configurable": {"thread_id": asked.thread}})
    assert [each.value for each in state.interrupts] == ["which one?"]
    assert state.values["early"]
