"""RPCs about members, invitations and what people make of conversations for themselves."""

import json
from typing import Any

import pytest

from services.connection.core.effects import Call, Ref
from services.connection.core.events import Failed
from services.shared.model.conversation import Appended
from services.shared.model.ids import ConversationId, UserId
from services.shared.model.members import Invitation, Invitations, Marks, Member, MembersPage
from services.shared.model.position import Position
from services.shared.wire import rpc
from tests.support.inbound import ANN, CID, Port, call, inbound

WHERE = {"conversation": CID}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("conversation.members.invite", {**WHERE, "user": "no one!"}, "$.user"),
    ("conversation.members.invite", {**WHERE, "user": 7}, "$.user"),
    ("conversation.members.invite", {**WHERE, "user": "bob", "role": "agent"}, "$.role"),
    ("conversation.members.invite", {**WHERE}, "`user`"),
    ("conversation.members.role", {**WHERE, "user": "bob"}, "`role`"),
    ("conversation.members.role", {**WHERE, "user": "bob", "role": None}, "$.role"),
    ("conversation.members.role", {**WHERE, "role": "reader"}, "`user`"),
    ("conversation.members.list", {**WHERE, "after": "no one!"}, "$.after"),
    ("conversation.members.list", {**WHERE, "after": ""}, "$.after"),
    ("conversation.members.list", {**WHERE, "limit": 0}, "$.limit"),
    ("conversation.members.list", {**WHERE, "limit": 1001}, "$.limit"),
    ("conversation.rename", {**WHERE}, "`title`"),
    ("conversation.rename", {**WHERE, "title": "x" * 201}, "$.title"),
    ("conversation.rename", {**WHERE, "title": None}, "$.title"),
    ("conversation.mute", {**WHERE}, "`until`"),
    ("conversation.mute", {**WHERE, "until": -1}, "$.until"),
    ("conversation.mute", {**WHERE, "until": (1 << 53) + 1}, "$.until"),
    ("conversation.mute", {**WHERE, "until": "for good"}, "$.until"),
    ("conversation.archive", {**WHERE}, "`archived`"),
    ("conversation.archive", {**WHERE, "archived": 1}, "$.archived"),
]


@pytest.mark.parametrize(("method", "arguments", "named"), WRONG)
async def test_what_is_wrong_with_a_call_about_people_is_named(
    method: str, arguments: dict[str, Any], named: str
) -> None:
    ports = [Port(None) for _ in range(3)]
    doer = inbound(conversations=ports[0], members=ports[1], marks=ports[2])
    answer = await doer.perform(Call(Ref(1), ANN, method, json.dumps(arguments).encode()))
    assert isinstance(answer, Failed)
    assert (answer.fault.code, named in answer.fault.message) == (107, True), answer.fault.message
    assert [port.calls for port in ports] == [[], [], []]


WITH_A_CONVERSATION = [
    name for name, method in rpc.METHODS.items() if "conversation" in method.arguments.__struct_fields__
]


@pytest.mark.parametrize(
    "wrong", [{}, {"conversation": "x"}, {"conversation": None}, {"conversation": CID + " "}]
)
@pytest.mark.parametrize("method", WITH_A_CONVERSATION)
async def test_no_call_is_done_without_a_conversation_of_the_right_form(
    method: str, wrong: dict[str, Any]
) -> None:
    answer = await inbound().perform(Call(Ref(1), ANN, method, json.dumps(wrong).encode()))
    assert isinstance(answer, Failed)
    assert (answer.fault.code, "conversation" in answer.fault.message) == (107, True)


async def test_people_are_invited_and_answer() -> None:
    port = Port(Appended(Position("e1", 4)))
    doer, where = inbound(members=port, conversations=port), {"conversation": CID.upper()}
    for method, more in [
        ("conversation.members.invite", {"user": "bob", "role": "reader"}),
        ("conversation.members.accept", {}),
        ("conversation.members.decline", {}),
        ("conversation.members.role", {"user": "bob", "role": "owner"}),
        ("conversation.leave", {}),
        ("conversation.rename", {"title": "Plans"}),
    ]:
        assert (await call(doer, method, where | more))["position"]["offset"] == 4
    assert port.calls == [
        ("invite", CID, "ann", "bob", "reader", {}),
        ("accept", CID, "ann", {}),
        ("decline", CID, "ann", {}),
        ("change_role", CID, "ann", "bob", "owner", {}),
        ("remove_member", CID, "ann", "ann", {}),
        ("rename", CID, "ann", "Plans", {}),
    ]


async def test_members_and_invitations_are_told_as_they_are() -> None:
    page = MembersPage((Member(UserId("ann"), "owner", 7),), True, "r")
    port = Port(page)
    told = await call(inbound(members=port), "conversation.members.list", {"conversation": CID, "after": "a"})
    assert told == {"members": [{"user": "ann", "role": "owner", "read": 7}], "more": True}
    assert port.calls == [("page", CID, "ann", {"after": "a", "limit": 100})]
    asked = Invitation(ConversationId(CID), "Plans", "reader", UserId("bob"), 7)
    told = await call(inbound(members=Invitations((asked,), "r")), "conversation.invitations", {})
    where = {"conversation": CID, "title": "Plans", "role": "reader", "by": "bob", "time": 7}
    assert told == {"invitations": [where]}


async def test_marks_are_told_as_they_stand() -> None:
    port = Port(Marks(None, archived=True))
    doer = inbound(marks=port)
    for method, more in [("mute", {"until": None}), ("archive", {"archived": True})]:
        told = await call(doer, f"conversation.{method}", {"conversation": CID, **more})
        assert told == {"muted": None, "archived": True}
    assert port.calls == [("mute", CID, "ann", None, {}), ("archive", CID, "ann", {"archived": True})]
