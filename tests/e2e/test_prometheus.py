"""A real Prometheus scrapes every service while people talk and Redis fails over: no picture stays empty."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from centrifuge import ReplyError

from observability.dashboards import BOARDS
from observability.rules import groups
from services.local.device import new_id
from tests.support.back_end import BackEnd, KeysFile
from tests.support.fleet_snapshots import SMALL
from tests.support.official_client import Followed, Official
from tests.support.operator_place import place_with
from tests.support.prometheus import HOUSE, Prometheus, programs, scraping
from tests.support.told_spans import Spans
from tests.support.waiting import eventually
from tests.support.whole_house import CONNECTIONS, WholeHouse

pytestmark = pytest.mark.slow

SERVICES = (*CONNECTIONS, "conversation", "presence")
PATIENCE_S = 90
SPANS = "spans.jsonl"
OF_THE_WAY = (
    "accept_seconds", "command_seconds", "delivery_seconds", "first_delta_seconds", "turn_wait_seconds",
    "turn_seconds", "model_call_seconds", "model_first_chunk_seconds", "tool_call_seconds",
    "checkpoint_bytes",
)  # fmt: skip
"""Histograms of the message path: each names traces."""
QUICK = SMALL | {"scaling": {**SMALL["scaling"], "down": {"windowSeconds": 0, "maxStep": 2}}}


@pytest.fixture
def keys(tmp_path: Path) -> KeysFile:
    """Of back ends, for the first connection process."""
    return KeysFile(tmp_path / "keys", "billing")


@pytest.fixture
def watched(tmp_path: Path, keys: KeysFile) -> Iterator[WholeHouse]:
    """A house whose processes give Redis up within a failover, so that its errors show; it traces all there
    is, into a file, and its doors are bounded.
    """
    told = {
        "CONTINUO_TRACES": "file",
        "CONTINUO_TRACES_FILE": str(tmp_path / SPANS),
        "CONTINUO_TRACES_RATIO": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HOUSE), os.environ.get("PYTHONPATH", "")))),
    }
    told["CONTINUO_GRAPHS"] = (
        "assistant=tests.support.watched_agent:build,asker=tests.support.asking_graph:asker"
    )
    whole = WholeHouse(
        tmp_path / "house",
        alone={CONNECTIONS[0]: keys.settings},
        CONTINUO_REDIS_DEADLINE_S="2",
        CONTINUO_MAX_CONNECTIONS="100",
        **told,
    )
    (tmp_path / "house").mkdir()
    try:
        whole.start()
        yield whole
    finally:
        whole.stop()


async def test_after_talk_and_faults_every_query_of_every_dashboard_has_a_series(
    watched: WholeHouse, keys: KeysFile, tmp_path: Path
) -> None:
    async with place_with(tmp_path, QUICK) as place:
        await place.operator("one")
        ports = {name: watched.port(name) for name in SERVICES} | {"operator": place.port}
        async with scraping(tmp_path / "prometheus", ports) as prometheus:
            await eventually(lambda: _all_up(prometheus, len(ports)), within_s=PATIENCE_S, every_s=0.5)
            await _talk(watched)
            await _be_asked(watched)
            await _come_in_behind(keys)
            await _lose_the_master(watched)
            await _come_in_behind(keys)
            await eventually(lambda: _whole(prometheus), within_s=PATIENCE_S, every_s=1)
            assert await prometheus.series("continuo_unheard_of") == []
            assert await prometheus.faulty() == []
            await _named(prometheus, Spans.read(tmp_path / SPANS))
            await _well_exposed(ports)


async def _all_up(prometheus: Prometheus, many: int) -> bool:
    return await prometheus.up() == many


async def _whole(prometheus: Prometheus) -> bool:
    """No recorded series is missing and no query is empty; AssertionError names those that are."""
    recorded = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
    assert [name for name in sorted(recorded) if not await prometheus.series(name)] == []
    empty = [
        f"{board.name}: {panel.title} ({query.expr})"
        for board in BOARDS
        for panel in board.panels
        for query in panel.queries
        if not await prometheus.series(query.expr)
    ]
    assert empty == []
    return True


async def _named(prometheus: Prometheus, told: Spans) -> None:
    """What Prometheus keeps beside the histograms are traces that there are."""
    for name in OF_THE_WAY:
        found = await prometheus.exemplars(f"continuo_{name}_bucket")
        assert found, name
        assert found <= told.traces(), name


async def _talk(house: WholeHouse) -> None:
    """Two people on two servers: answers, calls that fail, a refusal, a way back, a removal; and
    one who does not get in.
    """
    ann = await Official(house.address(0), lambda: house.token("ann")).connect()
    bob = await Official(house.address(1), lambda: house.token("bob")).connect()
    conversation = await ann.create("bob")
    _, heard = await ann.follow(conversation)
    _, also = await bob.follow(conversation)
    for number in range(3):
        await ann.send(conversation, f"what is {number} and {number}?")
        await eventually(lambda: _answered(also) > number, within_s=PATIENCE_S)  # noqa: B023 - awaited here
    await ann.send(conversation, "fail at something")
    await eventually(lambda: _answered(also) > 3, within_s=PATIENCE_S)
    await ann.client.disconnect()
    await bob.send(conversation, "are you there?")
    await ann.client.connect()
    await eventually(lambda: len(heard.subscribed) == 2, within_s=PATIENCE_S)
    assert heard.subscribed[-1].recovered
    await ann.rpc("conversation.members.remove", conversation=conversation, user="bob")
    await eventually(lambda: also.unsubscribed, within_s=PATIENCE_S)
    with pytest.raises(ReplyError):
        await bob.send(conversation, "and now?")
    await ann.leave()
    await bob.leave()
    await _stay_out(house)


def _answered(followed: Followed) -> int:
    return len(followed.events("turn.finished"))


async def _be_asked(house: WholeHouse) -> None:
    """An agent asks, and is answered."""
    ann = await Official(house.address(0), lambda: house.token("ann")).connect()
    conversation = (await ann.rpc("conversation.create", agents=["asker"]))["conversation"]
    _, heard = await ann.follow(conversation)
    await ann.send(conversation, "do it")
    await eventually(lambda: heard.events("input.requested"), within_s=PATIENCE_S)
    asked = heard.events("input.requested")[0]["interrupt"]
    await ann.rpc(
        "conversation.answer", conversation=conversation, id=new_id(), interrupt=asked, answer="yes"
    )
    await eventually(lambda: len(heard.events("turn.finished")) == 2, within_s=PATIENCE_S)
    await ann.leave()


async def _come_in_behind(keys: KeysFile) -> None:
    """A back end asks. Twice, with time between them: a rate wants what was counted after the first look."""
    async with BackEnd(keys.address, keys.keys["billing"]) as back_end:
        assert (await back_end.client.get("/census")).status_code == 200
        assert (await back_end.call("conversation.list")).status_code == 403


async def _stay_out(house: WholeHouse) -> None:
    forged = house.token("eve", secret="another secret, just as long as it")
    stranger = Official(house.address(0), lambda: forged)
    await stranger.client.connect()
    await eventually(lambda: stranger.noted.disconnected == [3500], within_s=PATIENCE_S)
    await stranger.leave()


async def _lose_the_master(house: WholeHouse) -> None:
    """Kill it while a conversation is followed: its channel goes on in another epoch."""
    ann = await Official(house.address(0), lambda: house.token("ann")).connect()
    conversation = await ann.create()
    _, heard = await ann.follow(conversation)
    lost = house.redis.master
    house.redis.kill(lost)

    async def said() -> bool:
        with suppress(ReplyError):
            await ann.send(conversation, "still there?")
            return True
        return False

    await eventually(said, within_s=PATIENCE_S, every_s=0.2)
    await eventually(lambda: len(heard.subscribed) > 1, within_s=PATIENCE_S)
    await eventually(lambda: _answered(heard), within_s=PATIENCE_S)
    await ann.leave()


async def _well_exposed(ports: dict[str, int]) -> None:
    """What promtool has to say of each process's own page."""
    promtool = str(programs() / "promtool")
    async with httpx.AsyncClient(trust_env=False) as client:
        for name, port in ports.items():
            page = (await client.get(f"http://127.0.0.1:{port}/metrics")).content
            judge = await asyncio.create_subprocess_exec(
                promtool, "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT
            )
            said, _ = await judge.communicate(page)
            assert (judge.returncode, said) == (0, b""), name
