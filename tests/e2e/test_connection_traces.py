"""What two connection servers tell a real collector of one message: one tree, whoever saw what of it.

The worker's part is played through the bus, by the same scripts.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.asking import Ask
from services.shared.model.ids import ConversationId
from services.shared.model.turn import Turn
from tests.support.bus_house import SHORT_MS, House, fresh, house_of
from tests.support.door import Device, Door
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.told_spans import Spans, Told
from tests.support.waiting import eventually

MARKED = "marked-text-of-a-person"
ANSWER = "marked-text-of-an-agent"
OF_CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@asynccontextmanager
async def two_doors(
    redis: EmbeddedRedis, folder: Path, receiver: OtlpReceiver, ratio: float, **more: str
) -> AsyncIterator[tuple[Door, Door]]:
    told = receiver.environ("http/protobuf", ratio=ratio) | more
    first = Door(redis, folder / "a", CONTINUO_NODE="a", **told)
    second = Door(redis, folder / "b", CONTINUO_NODE="b", **told)
    async with first, second:
        yield first, second


class Talk:
    """A conversation of Ann, who is at one server, and Bob, who is at another; and a worker."""

    def __init__(self, bus: Bus, conversation: str, ann: Device, bob: Device) -> None:
        self.house: House = house_of(bus)
        self.conversation = ConversationId(conversation)
        self.channel = f"conversation:{conversation}"
        self.ann = ann
        self.bob = bob

    @classmethod
    async def open(cls, bus: Bus, first: Door, second: Door) -> "Talk":
        conversation = fresh()
        await bus.conversations.create(conversation, "ann", members=["bob"])
        talk = cls(bus, conversation, await first.arrive("ann"), await second.arrive("bob"))
        for device in (talk.ann, talk.bob):
            assert "subscribe" in await device.ask(subscribe={"channel": talk.channel})
        return talk

    async def say(self, **more: Any) -> dict[str, Any]:
        data = {"conversation": self.conversation, "id": new_id(), "text": MARKED, **more}
        return await self.ann.ask(rpc={"method": "conversation.send", "data": data})

    async def answer(self, *, keep: Any = "", outcome: Any = "completed") -> Turn:
        lease = await self.house.claim(self.conversation)
        turn = await self.house.begin(lease)
        message = await self.house.say(lease, turn, *ANSWER.split("-"))
        await self.house.turns.complete_message(lease, turn, message, ANSWER, source="s")
        await self.house.turns.finish(lease, turn, outcome, keep=keep)
        await self.house.leases.release(lease)
        return turn

    async def is_over(self, events: int) -> None:
        """Both saw so many events."""
        for device in (self.ann, self.bob):
            await device.events(self.channel, events)


EVENTS = len(("created", "turn", "started", *ANSWER.split("-"), "completed", "finished"))


def shapes(spans: list[Told]) -> list[tuple[str, str, str]]:
    return sorted((one.name, one.node, str(one.attributes.get("continuo.event", ""))) for one in spans)


def told_of(told: Spans, message: str) -> list[Told]:
    """All spans of the trace in which this message was sent."""
    sent = [one for one in told.named("message.send") if one.attributes["messaging.message.id"] == message]
    return told.of(sent[0].trace) if sent else []


ONE_STORY = [
    ("message.accept", "a", ""),
    ("message.confirm", "a", "message.created"),
    ("message.confirm", "a", "message.started"),
    ("message.confirm", "b", "message.created"),
    ("message.confirm", "b", "message.started"),
    ("message.deliver", "a", "message.completed"),
    ("message.deliver", "a", "message.created"),
    ("message.deliver", "a", "turn.finished"),
    ("message.deliver", "a", "turn.started"),
    ("message.deliver", "b", "message.completed"),
    ("message.deliver", "b", "message.created"),
    ("message.deliver", "b", "turn.finished"),
    ("message.deliver", "b", "turn.started"),
    ("message.send", "a", ""),
]


async def test_an_answer_begins_a_trace_that_links_to_the_turn_that_waits(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    interrupt = "a" * 32
    async with two_doors(redis, tmp_path, receiver, 1.0) as doors:
        talk = await Talk.open(bus, *doors)
        await talk.say()
        lease = await talk.house.claim(talk.conversation)
        waiting = await talk.house.begin(lease)
        await talk.house.turns.finish(lease, waiting, "interrupted", asks=[Ask(interrupt, b"1")])
        data = {"conversation": talk.conversation, "id": new_id(), "interrupt": interrupt, "answer": MARKED}
        await talk.bob.ask(rpc={"method": "conversation.answer", "data": data})
        resuming = await talk.house.begin(lease)
        [answer] = await receiver.until(lambda told: told.named("input.answer"))
        [accept] = await receiver.until(lambda told: told.named("message.accept", answer.trace))
    assert (answer.parent, answer.attributes["continuo.interrupt"]) == ("", interrupt)
    assert resuming.trace == f"00-{accept.trace}-{accept.id}-01"
    _, trace, span, _ = waiting.trace.split("-")
    assert (accept.parent, accept.links) == (answer.id, ((trace, span),))
    assert MARKED not in str(receiver.all)


async def test_a_message_sent_at_one_server_and_shown_at_another_is_one_tree(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with two_doors(redis, tmp_path, receiver, 1.0) as doors:
        talk = await Talk.open(bus, *doors)
        sent = (await talk.say())["rpc"]["data"]["message"]
        turn = await talk.answer()
        await talk.is_over(EVENTS)
        spans = await receiver.until(
            lambda told: len(found := told_of(told, sent)) >= len(ONE_STORY) and found
        )
        assert shapes(spans) == ONE_STORY
        trace = spans[0].trace
        [root] = receiver.tree(trace)
        assert root.span.name == "message.send"
        assert (receiver.orphans(trace), receiver.twice(trace)) == ([], [])
        [accept] = [one for one in spans if one.name == "message.accept"]
        assert accept.parent == root.span.id
        assert turn.trace == f"00-{trace}-{accept.id}-01"
        for one in spans:
            if one.name in ("message.confirm", "message.deliver"):
                assert (one.parent, one.remote_parent) == (accept.id, True)
                assert one.attributes["messaging.message.conversation_id"] == talk.conversation
        for answer in (one for one in spans if one.attributes.get("continuo.deltas")):
            assert answer.attributes["continuo.deltas"] == len(ANSWER.split("-"))
            assert (answer.attributes["continuo.followers"], answer.attributes["continuo.outcome"]) == (
                1,
                "completed",
            )
            assert answer.end_ns > answer.start_ns
        for door in doors:
            assert await named_by(door, "continuo_delivery_seconds") == {("event", trace), ("delta", trace)}
        assert ("rpc", trace) in await named_by(doors[0], "continuo_command_seconds")
        waits = [one for one in spans if one.name == "message.confirm"]
        assert all(one.attributes["continuo.replication_ms"] > 0 for one in waits)
        assert "marked" not in repr(receiver.all)


async def named_by(door: Door, histogram: str) -> set[tuple[str, str]]:
    """What the exemplars of a histogram with one label say: the label's value, and the trace."""
    asking = httpx.AsyncClient(trust_env=False, headers={"accept": "application/openmetrics-text"})
    async with asking as client:
        page = (await client.get(f"http://127.0.0.1:{door.pages}/metrics")).text
    [family] = [each for each in text_string_to_metric_families(page) if each.name == histogram]
    return {
        (next(value for name, value in one.labels.items() if name != "le"), one.exemplar.labels["trace_id"])
        for one in family.samples
        if one.exemplar
    }


async def test_what_a_device_asks_is_told_in_the_trace_of_its_connect(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with Door(redis, tmp_path / "a", **receiver.environ("http/protobuf")) as door:
        conversation = fresh()
        await bus.conversations.create(conversation, "ann")
        device = await door.open()
        asked = {"token": door.token("ann"), "name": "js", "version": "5.4.0"}
        client = (await device.ask(connect=asked))["connect"]["client"]
        first = (await device.ask(subscribe={"channel": f"conversation:{conversation}"}))["subscribe"]
        await device.ask(unsubscribe={"channel": f"conversation:{conversation}"})
        at = {"recover": True, "epoch": first["epoch"], "offset": first["offset"]}
        await bus.conversations.add_member(conversation, "ann", "bob", "member")
        for position in (at, at | {"epoch": "lost"}):
            await device.ask(subscribe={"channel": f"conversation:{conversation}"} | position)
            await device.ask(unsubscribe={"channel": f"conversation:{conversation}"})
        refused = await device.ask(subscribe={"channel": f"conversation:{fresh()}"})
        assert refused["error"]["code"] == 103

        spans = await receiver.until(
            lambda told: len(told.named("session.subscribe")) == 4 and told.named("session.connect")
        )
        [connect] = spans
        assert connect.kind == "SERVER"
        said = {key: connect.attributes[key] for key in ("user_agent.name", "user_agent.version")}
        assert said == {"user_agent.name": "js", "user_agent.version": "5.4.0"}
        assert connect.attributes["network.peer.address"] == "127.0.0.1"
        assert connect.attributes["continuo.code"] == 0
        subscribes = sorted(receiver.named("session.subscribe"), key=lambda one: one.start_ns)
        assert [one.attributes.get("continuo.outcome") for one in subscribes] == [
            "fresh", "recovered", "reset", None,
        ]  # fmt: skip
        assert [one.attributes.get("continuo.events") for one in subscribes] == [0, 1, 0, None]
        assert [one.attributes["continuo.code"] for one in subscribes] == [0, 0, 0, 103]
        assert {(one.trace, one.parent) for one in subscribes} == {(connect.trace, connect.id)}
        assert {one.attributes["continuo.connection"] for one in (connect, *subscribes)} == {client}
        assert not any(one.failed for one in subscribes)


@pytest.mark.slow
async def test_a_session_that_goes_on_elsewhere_links_to_the_one_before(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with two_doors(redis, tmp_path, receiver, 1.0) as (first, second):
        talk = await Talk.open(bus, first, second)
        reply = (await talk.bob.ask(history={"channel": talk.channel}))["history"]
        position = {"recover": True, "epoch": reply["epoch"], "offset": reply["offset"]}
        await eventually(lambda: sitting(bus, talk.conversation, 2))
        await talk.bob.connection.close()
        await eventually(lambda: sitting(bus, talk.conversation, 1))
        again, other = await first.arrive("bob"), await first.arrive("bob")
        assert "subscribe" in await again.ask(subscribe={"channel": talk.channel} | position)
        assert "subscribe" in await other.ask(subscribe={"channel": talk.channel})  # goes on from nowhere
        subscribes = await receiver.until(
            lambda told: len(found := told.named("session.subscribe")) == 4 and found
        )
        [resumed] = [one for one in subscribes if one.attributes["continuo.outcome"] == "recovered"]
        [before] = [one for one in receiver.named("session.connect") if one.node == "b"]
        assert resumed.node == "a"
        assert resumed.links == ((before.trace, before.id),)
        assert [one.links for one in subscribes if one is not resumed] == [(), (), ()]


async def sitting(bus: Bus, conversation: ConversationId, connections: int) -> bool:
    return (await bus.roster.count(conversation))[0] == connections


async def test_a_client_that_is_refused_is_told_with_its_code(
    redis: EmbeddedRedis, tmp_path: Path, receiver: OtlpReceiver
) -> None:
    async with Door(redis, tmp_path / "a", **receiver.environ("http/protobuf")) as door:
        device = await door.open()
        await device.begin(connect={"token": "a.b.c", "name": MARKED + " \n" + "x" * 99})
        assert (await device.closed())[0] == 3500
        [refused] = await receiver.until(lambda told: told.named("session.connect"))
        assert (refused.failed, refused.error) == (True, "3500")
        assert "marked" not in repr(receiver.all)


async def test_an_unsampled_message_whose_turn_failed_is_told_late_by_all_who_heard(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with two_doors(redis, tmp_path, receiver, 0.0) as doors:
        talk = await Talk.open(bus, *doors)
        await talk.say()
        await talk.answer()
        await talk.is_over(EVENTS)
        bad = (await talk.say())["rpc"]["data"]["message"]
        await talk.answer(keep="failed", outcome="failed")
        await talk.is_over(2 * EVENTS)
        spans = await receiver.until(
            lambda told: len(found := told_of(told, bad)) >= len(ONE_STORY) and found
        )
        assert shapes(spans) == ONE_STORY
        assert all(one.late for one in spans)
        assert receiver.traces() == {spans[0].trace}  # nothing of the good message, nothing of sessions
        assert receiver.orphans(spans[0].trace) == []


@pytest.mark.slow
async def test_a_clients_own_trace_is_linked_or_joined_as_the_settings_say(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    told = receiver.environ("http/protobuf")
    linking = Door(redis, tmp_path / "a", CONTINUO_NODE="a", **told)
    joining = Door(redis, tmp_path / "b", CONTINUO_NODE="b", CONTINUO_TRACES_CLIENTS="parent", **told)
    async with linking, joining:
        talk = await Talk.open(bus, linking, joining)
        await talk.say(traceparent=OF_CLIENT)
        await talk.say(traceparent="no traceparent at all")
        published = {"id": new_id(), "text": MARKED, "traceparent": OF_CLIENT}
        assert "publish" in await talk.bob.ask(publish={"channel": talk.channel, "data": published})
        sends = await receiver.until(lambda told: len(found := told.named("message.send")) == 3 and found)
        linked, alone, joined = sorted(sends, key=lambda one: one.start_ns)
        _, trace, span, _ = OF_CLIENT.split("-")
        assert (linked.links, linked.parent) == (((trace, span),), "")
        assert (alone.links, alone.parent) == ((), "")
        assert (joined.links, joined.trace, joined.parent) == ((), trace, span)


@pytest.mark.slow
async def test_what_is_taken_back_and_what_nobody_waits_for_any_more_is_told_so(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with two_doors(redis, tmp_path, receiver, 1.0) as doors:
        talk = await Talk.open(bus, *doors)
        await talk.say()
        lease = await talk.house.claim(talk.conversation, SHORT_MS)
        turn = await talk.house.begin(lease)
        await talk.house.say(lease, turn, "half", "way")
        await talk.is_over(5)
        await talk.bob.connection.close()
        [left] = await receiver.until(lambda told: ended(told, "left"))
        assert (left.node, left.attributes["continuo.deltas"]) == ("b", 2)
        await talk.house.begin(await eventually(lambda: talk.house.try_claim(talk.conversation)))
        [retracted] = await receiver.until(lambda told: ended(told, "retracted"))
        assert (retracted.node, retracted.attributes["continuo.deltas"]) == ("a", 2)
        assert left.attributes["messaging.message.id"] == retracted.attributes["messaging.message.id"]
        assert {left.trace, retracted.trace} == {turn.trace.split("-")[1]}


@pytest.mark.slow
async def test_what_was_on_its_way_when_a_server_ended_is_told(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with two_doors(redis, tmp_path, receiver, 1.0) as doors:
        talk = await Talk.open(bus, *doors)
        await talk.say()
        lease = await talk.house.claim(talk.conversation)
        await talk.house.say(lease, await talk.house.begin(lease), "half", "way")
        await talk.is_over(5)
    told = [(one.node, one.attributes["continuo.deltas"]) for one in ended(receiver, "left")]
    assert sorted(told) == [("a", 2), ("b", 2)]


def ended(told: Spans, outcome: str) -> list[Told]:
    return [one for one in told.named("message.deliver") if one.attributes.get("continuo.outcome") == outcome]


@pytest.mark.slow
async def test_at_the_debug_level_each_delta_is_told_too(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    async with two_doors(redis, tmp_path, receiver, 1.0, CONTINUO_LOG_LEVEL="debug") as doors:
        talk = await Talk.open(bus, *doors)
        sent = (await talk.say())["rpc"]["data"]["message"]
        await talk.answer()
        await talk.is_over(EVENTS)
        more = 2 * len(ANSWER.split("-"))
        spans = await receiver.until(
            lambda told: len(found := told_of(told, sent)) >= len(ONE_STORY) + more and found
        )
        deltas = [one for one in spans if one.attributes.get("continuo.event") == "message.delta"]
        assert len(deltas) == more
        assert receiver.orphans(spans[0].trace) == []
        assert "marked" not in repr(receiver.all)
        assert "marked" not in doors[0].log() + doors[1].log()


async def test_lines_of_a_device_name_its_connection_and_within_a_span_the_trace(
    redis: EmbeddedRedis, tmp_path: Path, bus: Bus, receiver: OtlpReceiver
) -> None:
    """The line of an errand that fails by a fault of ours: a queue that is none."""
    async with Door(redis, tmp_path / "a", **receiver.environ("http/protobuf")) as door:
        conversation = fresh()
        await bus.conversations.create(conversation, "ann")
        await bus.floor.commands.set(bus.floor.keys.conversation(conversation).fifo, "spoilt")
        device = await door.open()
        client = (await device.ask(connect={"token": door.token("ann")}))["connect"]["client"]
        data = {"conversation": conversation, "id": new_id(), "text": MARKED}
        failed = await device.ask(rpc={"method": "conversation.send", "data": data})
        assert failed["error"]["code"] == 100
        lines = [json.loads(line) for line in door.log().splitlines()]
        [line] = [each for each in lines if each["event"] == "errand failed"]
        [send] = await receiver.until(lambda told: told.named("message.send"))
        [accept] = receiver.named("message.accept")
        assert (line["connection"], line["trace"]) == (client, send.trace)
        assert (send.failed, send.error, accept.error) == (True, "100", "Broken")
        assert accept.parent == send.id
        assert "marked" not in door.log()
