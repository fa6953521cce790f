"""Errands: arguments read, ports called, outcomes told. The ports have tests on a real Redis."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from services.connection.core.effects import Call, History, Presence, PresenceStats, Publish
from services.connection.core.events import Answered, Failed, Ref
from services.connection.deeds import Deeds
from services.connection.inbound import Inbound
from services.shared.model.asking import Taken
from services.shared.model.conversation import (
    Accepted,
    Appended,
    Created,
    Entry,
    HistoryPage,
    KeptMessage,
    Listing,
    OpenMessage,
    Reading,
    Summary,
)
from services.shared.model.errors import (
    AlreadyAnswered,
    BusUnavailable,
    Busy,
    ContinuoError,
    MessageConflict,
    NotAsked,
    NotMember,
    NotReplicated,
    Overloaded,
    QueueFull,
    Refused,
    UnknownConversation,
)
from services.shared.model.ids import (
    AgentName,
    AttemptId,
    Channel,
    ConnectionId,
    MessageId,
    NodeId,
    TurnId,
)
from services.shared.model.position import Fork, Head, Position
from services.shared.model.presence import Seat
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.tracing import Tracing
from services.shared.wire import rpc
from tests.support.inbound import ANN, CID, Port, Room, call, inbound

MID = MessageId("0198c2b0-0000-7000-8000-00000000000a")
TID = TurnId("0198c2b0-0000-7000-8000-00000000000b")
GIVEN = {"conversation": CID, "id": MID, "interrupt": "a" * 32, "answer": {"ok": True}}
SAID = {"conversation": CID, "id": MID, "text": "hi"}
TALK = Channel.of_conversation(CID)
HEAD = Head(9, 4, (Fork("e1", 1), Fork("e2", 8)))


class Reads(Port):
    """Gives one value after another, and then the last for ever."""

    def __init__(self, *values: Any) -> None:
        super().__init__(values[0])
        self._values = list(values)

    def __getattr__(self, name: str) -> Any:
        self.value = self._values.pop(0) if len(self._values) > 1 else self._values[0]
        return super().__getattr__(name)


def guarded(replids: list[str], within_s: float = 5, **ports: Port) -> Inbound:
    """One whose reads are confirmed under these replication ids, and then never again."""

    async def replicated() -> str:
        return replids.pop(0) if replids else await asyncio.Future()

    bus: Any = SimpleNamespace(**ports)
    deeds = Deeds(
        bus,
        Room(),
        new_id=lambda: CID,
        replicated=replicated,
        tracing=Tracing.off(),
        clock=FakeClock(),
        within_s=within_s,
    )
    return Inbound(deeds)


async def test_create_makes_an_id_when_none_is_given() -> None:
    port = Port(Created(CID, Position("e1", 2), False))
    told = await call(inbound(conversations=port), "conversation.create", {"title": "T", "members": ["bob"]})
    assert told == {"conversation": CID, "position": {"epoch": "e1", "offset": 2}, "repeated": False}
    unsaid = {"agents": ["assistant"], "answers": {}, "double_texting": "enqueue"}
    assert port.calls == [("create", CID, "ann", {"title": "T", "members": ["bob"], **unsaid})]


async def test_list_tells_summaries() -> None:
    port = Port(Listing((Summary(CID, "T", (AgentName("assistant"),), "owner", (ANN,), 5),), "r"))
    told = await call(inbound(conversations=port), "conversation.list", {})
    assert told["conversations"][0]["members"] == ["ann"]
    assert port.calls == [("listing", "ann", 100, {})]


@pytest.mark.parametrize(("repeated", "told"), [(False, [1]), (True, [])])
async def test_the_brake_learns_of_turns_queued_and_none_of_a_repeat(repeated: bool, told: list[int]) -> None:
    brake, port = Room(), Port(Accepted(MID, Position("e1", 3), (TID,), repeated))
    await call(inbound(brake, messages=port), "conversation.send", SAID)
    assert brake.told == told


async def test_a_full_queue_is_said_to_the_bus_and_its_refusal_is_error_111() -> None:
    brake, port = Room(full=True), Port(Overloaded("too many"))
    assert await call(inbound(brake, messages=port), "conversation.send", SAID) == 111
    assert port.calls == [
        (
            "accept",
            CID,
            "ann",
            MID,
            "hi",
            {"reply_to": "", "mentions": (), "named": (), "trace": "", "overloaded": True},
        )
    ]
    assert brake.told == [Overloaded]


async def test_send_tells_where_the_message_stands_and_reads_ids_in_any_case() -> None:
    port = Port(Accepted(MID, Position("e1", 3), (TID,), False))
    told = await call(
        inbound(messages=port),
        "conversation.send",
        {"conversation": CID.upper(), "id": MID.upper(), "text": "hi"},
    )
    assert told == {
        "message": MID,
        "position": {"epoch": "e1", "offset": 3},
        "turns": [TID],
        "repeated": False,
    }
    assert port.calls == [
        (
            "accept",
            CID,
            "ann",
            MID,
            "hi",
            {"reply_to": "", "mentions": (), "named": (), "trace": "", "overloaded": False},
        )
    ]


async def test_send_says_whom_the_text_mentions_and_a_busy_agent_is_error_423() -> None:
    port = Port(Busy("the agent is at work"))
    said = {**SAID, "text": "@One and @two"}
    assert await call(inbound(messages=port), "conversation.send", said) == 423
    assert port.calls[0][5]["mentions"] == ("one", "two")


async def test_configure_changes_what_is_named() -> None:
    port = Port(Appended(Position("e1", 4)))
    change = {"conversation": CID, "answers": {"one": "never"}}
    told = await call(inbound(conversations=port), "conversation.configure", change)
    assert told == {"position": {"epoch": "e1", "offset": 4}}
    unsaid = {"agents": None, "double_texting": None}
    assert port.calls == [("configure", CID, "ann", {"answers": {"one": "never"}, **unsaid})]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"answers": {"one": "sometimes"}}, "$.answers"),
        ({"answers": {"no name": "always"}}, "answers"),
        ({"agents": []}, "$.agents"),
        ({"agents": "one"}, "$.agents"),
        ({"double_texting": "wait"}, "$.double_texting"),
    ],
)
@pytest.mark.parametrize("method", ["conversation.create", "conversation.configure"])
async def test_what_is_no_setting_is_error_107_and_names_the_field(
    method: str, change: dict[str, Any], named: str
) -> None:
    asked = {"conversation": CID, **change} if method.endswith("configure") else change
    answer = await inbound().perform(Call(Ref(3), ANN, method, json.dumps(asked).encode()))
    assert isinstance(answer, Failed)
    assert answer.fault.code == 107
    assert named in answer.fault.message


async def test_an_answer_is_handed_on_as_compact_json_and_counts_as_a_turn() -> None:
    brake, port = Room(), Port(Taken(Position("e1", 3), TID, False))
    given = b'{"conversation":"%s","id":"%s","interrupt":"x","answer":{ "a" :\n[1, 2.50, null] }}'
    doer = inbound(brake, answers=port)
    answer = await doer.perform(
        Call(Ref(3), ANN, "conversation.answer", given % (CID.upper().encode(), MID.upper().encode()))
    )
    assert isinstance(answer, Answered)
    told = {"position": {"epoch": "e1", "offset": 3}, "turn": TID, "repeated": False}
    assert json.loads(answer.result)["data"] == told
    assert port.calls == [("answer", CID, "ann", MID, "x", b'{"a":[1,2.5,null]}', {"trace": ""})]
    assert brake.told == [1]


async def test_who_came_too_late_is_told_who_was_first() -> None:
    port = Port(AlreadyAnswered("bob answered it"))
    call_ = Call(Ref(3), ANN, "conversation.answer", json.dumps(GIVEN).encode())
    answer = await inbound(answers=port).perform(call_)
    assert isinstance(answer, Failed)
    assert (answer.fault.code, answer.fault.message) == (411, "already answered: bob answered it")
    assert await call(inbound(answers=Port(NotAsked("no"))), "conversation.answer", GIVEN) == 412


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("conversation", "x"),
        ("conversation", None),
        ("id", 7),
        ("id", MID + " "),
        ("interrupt", ""),
        ("interrupt", "x" * 129),
        ("interrupt", {}),
        ("traceparent", 1),
    ],
)
async def test_a_wrong_argument_of_an_answer_is_named(name: str, value: object) -> None:
    data = json.dumps({**GIVEN, name: value}).encode()
    answer = await inbound().perform(Call(Ref(1), ANN, "conversation.answer", data))
    assert isinstance(answer, Failed)
    assert (answer.fault.code, f"$.{name}" in answer.fault.message) == (107, True)


@pytest.mark.parametrize("name", ["conversation", "id", "interrupt", "answer"])
async def test_a_missing_argument_of_an_answer_is_named(name: str) -> None:
    data = json.dumps({key: value for key, value in GIVEN.items() if key != name}).encode()
    answer = await inbound().perform(Call(Ref(1), ANN, "conversation.answer", data))
    assert isinstance(answer, Failed)
    assert (answer.fault.code, f"`{name}`" in answer.fault.message) == (107, True)


@pytest.mark.parametrize("said", [b'"\\ud800"', b"nan", b"[" * 30_000 + b"]" * 30_000, b"[1,]", b""])
async def test_an_answer_that_is_no_json_is_107(said: bytes) -> None:
    data = b'{"conversation":"%s","id":"%s","interrupt":"x","answer":%s}' % (CID.encode(), MID.encode(), said)
    answer = await inbound().perform(Call(Ref(1), ANN, "conversation.answer", data))
    assert isinstance(answer, Failed)
    assert answer.fault.code == 107


async def test_cancel_names_the_turns() -> None:
    port = Port([TID])
    assert await call(inbound(turns=port), "conversation.cancel", {"conversation": CID}) == {"turns": [TID]}
    assert port.calls == [("cancel", CID, "ann", None, {})]


async def test_history_is_a_page_with_the_position_to_subscribe_from() -> None:
    message = KeptMessage(MID, ANN, None, "hi", 1, 5)
    unfinished = OpenMessage(MID, AgentName("a"), TID, AttemptId("x"), "so far", 6)
    page = HistoryPage((message,), HEAD, (unfinished,), True, "r")
    told = await call(inbound(messages=page), "conversation.history", {"conversation": CID, "before": 7})
    assert told["position"] == {"epoch": "e2", "offset": 9}
    assert told["messages"][0]["text"] == "hi"
    assert (told["open"][0]["at"], told["more"]) == (6, True)
    assert told["settings"] == {"agents": [], "answers": {}, "double_texting": "enqueue"}


async def test_members_come_and_go() -> None:
    port = Port(Appended(Position("e1", 4)))
    doer, who = inbound(conversations=port), {"conversation": CID, "user": "bob"}
    assert (await call(doer, "conversation.members.add", who))["position"]["offset"] == 4
    assert (await call(doer, "conversation.members.remove", who))["position"]["offset"] == 4
    assert port.calls == [
        ("add_member", CID, "ann", "bob", "member", {}),
        ("remove_member", CID, "ann", "bob", {}),
    ]


def test_every_documented_method_has_a_handler_and_no_other() -> None:
    assert set(inbound()._deeds._calls) == set(rpc.METHODS)


@pytest.mark.parametrize("method", ["", "dance", "conversation", "__init__"])
async def test_an_unknown_method_is_104(method: str) -> None:
    assert await call(inbound(), method, {}) == 104


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("conversation.send", {}),
        ("conversation.send", {"conversation": CID, "id": "x", "text": "hi"}),
        ("conversation.send", {"conversation": CID, "id": MID, "text": ""}),
        ("conversation.send", {"conversation": CID, "id": MID + "\n", "text": "hi"}),
        ("conversation.send", [1]),
        ("conversation.history", {"conversation": CID, "limit": 0}),
        ("conversation.history", {"conversation": CID, "limit": 1 << 70}),
        ("conversation.history", {"conversation": CID, "before": -1}),
        ("conversation.members.add", {"conversation": CID, "user": "no one!"}),
        ("conversation.members.add", {"conversation": CID, "user": "bob", "role": "king"}),
        ("conversation.history", {"conversation": CID, "before": 0}),
        ("conversation.history", {"conversation": CID, "before": (1 << 53) + 1}),
        ("conversation.history", {"conversation": CID, "limit": 201}),
        ("conversation.list", {"limit": 501}),
        ("conversation.create", {"agents": []}),
        ("conversation.create", {"agents": ["a"] * 9}),
        ("conversation.create", {"agents": ["a" * 65]}),
        ("conversation.create", {"members": ["u"] * 101}),
        ("conversation.create", {"title": "x" * 201}),
    ],
)
async def test_wrong_arguments_are_107_and_reach_nothing(method: str, arguments: object) -> None:
    assert await call(inbound(), method, arguments) == 107


async def test_a_bad_argument_is_named() -> None:
    answer = await inbound().perform(Call(Ref(1), ANN, "conversation.send", b'{"conversation":7}'))
    assert isinstance(answer, Failed)
    assert "$.conversation" in answer.fault.message


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 60_000, b'"\\ud800"', b"nan"])
async def test_data_that_is_no_json_is_107(data: bytes) -> None:
    answer = await inbound().perform(Call(Ref(1), ANN, "conversation.list", data))
    assert isinstance(answer, Failed)
    assert answer.fault.code == 107


@pytest.mark.parametrize(
    ("error", "code", "temporary"),
    [
        (NotMember(""), 103, False),
        (UnknownConversation(""), 102, False),
        (BusUnavailable(""), 100, True),
        (NotReplicated(""), 100, True),
        (QueueFull(""), 111, True),
        (MessageConflict(""), 409, False),
        (Refused(""), 403, False),
        (ContinuoError(""), 100, True),
    ],
)
async def test_failures_of_the_bus_have_their_codes(error: ContinuoError, code: int, temporary: bool) -> None:
    answer = await inbound(messages=error).perform(
        Publish(Ref(1), ANN, TALK, json.dumps({"id": MID, "text": "hi"}).encode())
    )
    assert isinstance(answer, Failed)
    assert (answer.fault.code, answer.fault.temporary) == (code, temporary)


async def test_a_publish_is_a_send() -> None:
    port = Port(Accepted(MID, Position("e1", 3), (), False))
    asked = Publish(Ref(1), ANN, TALK, json.dumps({"id": MID, "text": "hi"}).encode())
    assert await inbound(messages=port).perform(asked) == Answered(Ref(1), b"{}")
    assert port.calls == [
        (
            "accept",
            CID,
            "ann",
            MID,
            "hi",
            {"reply_to": "", "mentions": (), "named": (), "trace": "", "overloaded": False},
        )
    ]


@pytest.mark.parametrize("data", [b'"hi"', b"{}", b'{"id":"x","text":"hi"}', b'{"text":"hi"}', b"null"])
async def test_a_publish_of_anything_else_is_103(data: bytes) -> None:
    answer = await inbound().perform(Publish(Ref(1), ANN, TALK, data))
    assert isinstance(answer, Failed)
    assert answer.fault.code == 103


def reading(*, exists: bool = True, role: str | None = "member") -> Reading:
    entries = tuple(Entry(offset, "e", b'{"n":%d}' % offset) for offset in range(5, 10))
    return Reading(exists, HEAD, "r", role, 0, entries, ())


async def offsets(**asked: Any) -> Any:
    wanted: Any = {"limit": 300, "since": None, "reverse": False, **asked}
    answer = await inbound(journal=reading()).perform(History(Ref(1), ANN, TALK, **wanted))
    if isinstance(answer, Failed):
        return answer.fault.code
    told = json.loads(answer.result)
    assert (told["epoch"], told["offset"]) == ("e2", 9)
    return [each["offset"] for each in told["publications"]]


HISTORY = History(Ref(1), ANN, TALK, 300, None, False)
PAGE = Call(Ref(1), ANN, "conversation.history", json.dumps({"conversation": CID}).encode())
LIST = Call(Ref(1), ANN, "conversation.list", b"{}")


def reads(*replids: str) -> dict[str, Port]:
    """Ports whose readings are under these replication ids, one after another."""
    entries = reading().entries
    return {
        "journal": Reads(*(Reading(True, HEAD, each, "member", 0, entries, ()) for each in replids)),
        "messages": Reads(*(HistoryPage((), HEAD, (), False, each) for each in replids)),
        "conversations": Reads(*(Listing((), each) for each in replids)),
    }


@pytest.mark.parametrize("asked", [HISTORY, PAGE, LIST], ids=["command", "page", "list"])
async def test_what_no_replica_confirmed_is_not_shown(asked: Any) -> None:
    answer = await guarded([], within_s=0.05, **reads("r")).perform(asked)
    assert isinstance(answer, Failed)
    assert (answer.fault.code, answer.fault.temporary) == (100, True)


@pytest.mark.parametrize("asked", [HISTORY, PAGE, LIST], ids=["command", "page", "list"])
async def test_what_was_read_from_another_master_than_confirmed_is_read_again(asked: Any) -> None:
    ports = reads("old", "", "new")
    answer = await guarded(["new", "new", "new"], **ports).perform(asked)
    assert isinstance(answer, Answered)
    assert max(len(port.calls) for port in ports.values()) == 3


async def test_history_asks_for_no_more_than_is_wanted_and_tells_it_in_that_order() -> None:
    assert await offsets() == [5, 6, 7, 8, 9]
    port = Port(reading())
    asked = History(Ref(1), ANN, TALK, 2, Position("e2", 8), True)
    await inbound(journal=port).perform(asked)
    assert port.calls == [("excerpt", TALK, 8, {"user": ANN, "limit": 2, "reverse": True})]


async def test_history_from_a_position_that_is_gone_is_112() -> None:
    assert await offsets(since=Position("e0", 5)) == 112
    assert await offsets(since=Position("e1", 8)) == 112
    assert await offsets(since=Position("e1", 3)) == 112
    assert await offsets(since=Position("e2", 10)) == 112


@pytest.mark.parametrize("seen", [reading(exists=False), reading(role=None)], ids=["none", "stranger"])
async def test_history_is_for_members_and_strangers_cannot_tell(seen: Reading) -> None:
    answer = await inbound(journal=seen).perform(History(Ref(1), ANN, TALK, 1, None, False))
    assert isinstance(answer, Failed)
    assert answer.fault.code == 103


async def test_presence_is_for_members() -> None:
    seats = {
        ConnectionId("c1"): Seat(ANN, b'{"name":"Ann"}', NodeId("n")),
        ConnectionId("c2"): Seat(ANN, None, NodeId("n")),
    }
    doer = inbound(conversations="member", roster=seats)
    answer = await doer.perform(Presence(Ref(1), ANN, TALK))
    assert isinstance(answer, Answered)
    assert json.loads(answer.result) == {
        "presence": {
            "c1": {"user": "ann", "client": "c1", "conn_info": {"name": "Ann"}},
            "c2": {"user": "ann", "client": "c2"},
        }
    }
    stranger = inbound(conversations=None, roster=seats)
    assert isinstance(await stranger.perform(Presence(Ref(1), ANN, TALK)), Failed)
    assert isinstance(await stranger.perform(PresenceStats(Ref(1), ANN, TALK)), Failed)


async def test_presence_stats_count_connections_and_users() -> None:
    answer = await inbound(conversations="owner", roster=(3, 2)).perform(PresenceStats(Ref(1), ANN, TALK))
    assert answer == Answered(Ref(1), b'{"num_clients":3,"num_users":2}')
