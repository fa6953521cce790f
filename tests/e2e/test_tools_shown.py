"""The official client sees tools at work: live, when it comes in the middle, and when it recovers; a client
that knows only messages is shown no more than it was.
"""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.local.render import Log
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

pytestmark = pytest.mark.slow


@pytest.fixture
async def devices(doing_house: WholeHouse) -> AsyncIterator[list[Official]]:
    """Of the same person: two on the first server, one on the second."""
    here = []
    for number in (0, 0, 1):
        token = partial(doing_house.token, "ann")
        client = Official(doing_house.address(number), token, max_reconnect_delay=1.0)
        here.append(await client.connect())
    yield here
    for device in here:
        await device.leave()


async def at_work(followed: Followed, calls: int = 1) -> str:
    """The text of the last call's arguments, once a device has it whole."""

    def whole() -> str:
        started = followed.events("tool.started")
        if len(started) < calls:
            return ""
        call = started[-1]["call"]
        deltas = [each for each in followed.events("tool.delta") if each["call"] == call]
        text = "".join(each["text"] for each in deltas)
        return text if text.endswith("}") else ""

    return await eventually(whole, within_s=20)


def spoken(followed: Followed, text: str) -> bool:
    return "".join(each["text"] for each in followed.events("subagent.delta")) == text


async def ended(followed: Followed) -> dict[str, Any]:
    await eventually(lambda: followed.events("turn.finished"), within_s=30)
    return followed.events("turn.finished")[0]


async def test_a_call_is_seen_live_and_by_who_comes_in_the_middle_and_by_who_recovers(
    devices: list[Official], doing_house: WholeHouse, things: Path
) -> None:
    here, coming, there = devices
    conversation = await here.create()
    (_, live), (_, away) = await here.follow(conversation), await there.follow(conversation)
    await here.send(conversation, "lamp")
    assert json.loads(await at_work(live)) == {"thing": "lamp"}
    _, late = await coming.follow(conversation)
    [underway] = late.subscribed[0].data["underway"]
    [started] = live.events("tool.started")
    assert (underway["kind"], underway["call"], underway["name"]) == ("tool", started["call"], "fetch")
    assert (json.loads(underway["text"]), late.subscribed[0].data["open"]) == ({"thing": "lamp"}, [])
    doing_house.kill("connection-2")
    (things / "lamp").write_text("bright")
    assert (await ended(live))["outcome"] == "completed"
    await doing_house.restart("connection-2")
    assert (await ended(away))["outcome"] == "completed"
    assert away.subscribed[-1].recovered
    for followed in (live, late, away):
        [finished] = followed.events("tool.finished")
        assert (finished["call"], finished["outcome"], finished["result"]) == (
            started["call"], "completed", "bright",
        )  # fmt: skip
        assert json.loads(finished["arguments"]) == {"thing": "lamp"}
        assert [each["text"] for each in followed.events("message.completed")] == ["It says: bright"]


async def test_a_call_whose_worker_is_killed_ends_as_cancelled_and_is_made_anew(
    devices: list[Official], doing_house: WholeHouse, things: Path
) -> None:
    here = devices[0]
    conversation = await here.create()
    _, live = await here.follow(conversation)
    await here.send(conversation, "chair")
    await at_work(live)
    doing_house.kill("conversation")
    await doing_house.restart("conversation")
    await at_work(live, 2)
    (things / "chair").write_text("soft")
    assert (await ended(live))["outcome"] == "completed"
    first, second = live.events("tool.started")
    told = {each["call"]: each["outcome"] for each in live.events("tool.finished")}
    assert told == {first["call"]: "cancelled", second["call"]: "completed"}
    assert first["attempt"] != second["attempt"]


async def test_a_client_that_knows_only_messages_is_not_disturbed(
    devices: list[Official], things: Path
) -> None:
    here = devices[0]
    (things / "book").write_text("thick")
    conversation = await here.create()
    _, live = await here.follow(conversation)
    await here.send(conversation, "book")
    await ended(live)
    log = Log()
    notes = [log.apply(pub.data) for pub in live.publications]
    assert [(line.author, line.text) for line in log.lines()] == [
        ("ann", "book"),
        ("assistant", "It says: thick"),
    ]
    assert ([note for note in notes if note], log.misfits, log.repeats) == ([], 0, 0)


async def test_a_thought_is_seen_live_by_who_comes_in_the_middle_and_by_who_recovers(
    devices: list[Official], doing_house: WholeHouse, things: Path
) -> None:
    here, coming, there = devices
    conversation = await here.create()
    (_, live), (_, away) = await here.follow(conversation), await there.follow(conversation)
    await here.send(conversation, "think of wind")

    def streamed() -> bool:
        return "".join(each["text"] for each in live.events("reasoning.delta")) == "It may be wind"

    await eventually(streamed, within_s=20)
    _, late = await coming.follow(conversation)
    [underway] = late.subscribed[0].data["underway"]
    [started] = live.events("reasoning.started")
    assert underway == {
        "kind": "reasoning", "message": started["message"], "text": "It may be wind", "at": 14,
        **{name: started[name] for name in ("agent", "turn", "attempt")},
    }  # fmt: skip
    doing_house.kill("connection-2")
    (things / "wind").touch()
    await ended(live)
    await doing_house.restart("connection-2")
    await ended(away)
    for followed in (live, late, away):
        [completed] = followed.events("reasoning.completed")
        assert (completed["message"], completed["text"]) == (started["message"], "It may be wind.")
    log = Log()
    for pub in live.publications:
        log.apply(pub.data)
    assert [line.text for line in log.lines()] == ["think of wind", "I thought of wind."]
    assert (log.misfits, log.repeats) == (0, 0)


async def test_what_an_agent_within_the_agent_says_is_seen_live_by_who_comes_late_and_by_who_recovers(
    devices: list[Official], doing_house: WholeHouse, things: Path
) -> None:
    here, coming, there = devices
    created = await here.rpc("conversation.create", title="", members=[], agents=["team"])
    conversation = created["conversation"]
    (_, live), (_, away) = await here.follow(conversation), await there.follow(conversation)
    await here.send(conversation, "speak of rain")
    text = "It may be rain"
    for followed in (live, away):
        await eventually(partial(spoken, followed, text), within_s=20)
    _, late = await coming.follow(conversation)
    doing_house.kill("connection-2")
    await doing_house.restart("connection-2")
    await eventually(lambda: len(away.subscribed) > 1, within_s=30)
    [started] = live.events("subagent.started")
    for reply in (late.subscribed[0], away.subscribed[1]):
        [underway] = reply.data["underway"]
        assert (underway["kind"], underway["subagent"]) == ("subagent", started["subagent"])
        assert (underway["text"], underway["at"]) == (text, len(text))
    (things / "rain").touch()
    for followed in (live, late, away):
        await ended(followed)
        [delta] = followed.events("subagent.delta")[-1:]
        assert (delta["at"], delta["text"]) == (len(text), ". That was it.")
        assert [each["text"] for each in followed.events("message.completed")] == [f"{text}. That was it."]
    log = Log()
    for pub in live.publications:
        log.apply(pub.data)
    assert (log.misfits, log.repeats) == (0, 0)


async def test_an_agent_within_the_agent_is_seen_with_all_it_does(
    devices: list[Official], doing_house: WholeHouse, things: Path
) -> None:
    here, coming, there = devices
    created = await here.rpc("conversation.create", title="", members=[], agents=["team"])
    conversation = created["conversation"]
    (_, live), (_, away) = await here.follow(conversation), await there.follow(conversation)
    await here.send(conversation, "boat")
    await at_work(live)
    await at_work(away)
    _, late = await coming.follow(conversation)
    doing_house.kill("connection-2")
    await doing_house.restart("connection-2")
    await eventually(lambda: len(away.subscribed) > 1, within_s=30)
    assert away.subscribed[1].recovered
    [started] = live.events("subagent.started")
    for reply in (late.subscribed[0], away.subscribed[1]):
        underway = {each["kind"]: each for each in reply.data["underway"]}
        assert underway["subagent"]["subagent"] == started["subagent"]
        assert underway["tool"]["path"] == started["path"] == ["helper"]
        assert json.loads(underway["tool"]["text"]) == {"thing": "boat"}
    (things / "boat").write_text("wet")
    for followed in (live, late, away):
        await ended(followed)
        [finished] = followed.events("subagent.finished")
        assert (finished["subagent"], finished["outcome"]) == (started["subagent"], "completed")
        written = followed.events("agent.custom")
        words = [
            each for each in followed.events("subagent.delta") if each["subagent"] == started["subagent"]
        ]
        assert "".join(each["text"] for each in words) == "It says: wet"
        values = [value for each in written for value in each["values"]]
        assert values == [{"shown": 1}, {"shown": 3}][followed is late :]
        assert {tuple(each["path"]) for each in written} == {("helper",)}
        assert [each["text"] for each in followed.events("message.completed")] == ["It says: wet"]
