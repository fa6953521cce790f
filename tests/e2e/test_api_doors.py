"""The same asked at both doors: the same result over the socket and over HTTP, or the same code."""

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.local.device import new_id
from services.shared.wire import rpc
from tests.support.back_end import BackEnd, KeysFile, problem
from tests.support.bad_arguments import good, wrong
from tests.support.door import Device, Door
from tests.support.open_bus import fresh_user

Twin = dict[str, str]
"""A conversation and what is in it, by the words that samples use."""
SAMPLES: dict[str, list[Callable[[Twin], dict[str, Any]]]] = {
    "conversation.create": [lambda at: {"id": new_id(), "title": "Plans", "members": [at["other"]]}],
    "conversation.list": [lambda _: {}],
    "conversation.configure": [lambda at: {**_in(at), "double_texting": "reject"}],
    "conversation.rename": [lambda at: {**_in(at), "title": "Other plans"}],
    "conversation.send": [
        lambda at: {**_in(at), "id": new_id(), "text": f"hello @{at['other']}", "reply_to": at["said"]},
        lambda at: {**_in(at), "id": at["said"], "text": "another text"},
        lambda at: {**_in(at), "id": "01000000-0000-7000-8000-000000000001", "text": "long ago"},
        lambda at: {**_in(at), "id": new_id(), "text": "x", "reply_to": new_id()},
    ],
    "conversation.cancel": [lambda at: _in(at)],
    "conversation.answer": [lambda at: {**_in(at), "id": new_id(), "interrupt": "x", "answer": [1]}],
    "conversation.history": [lambda at: {**_in(at), "limit": 10}],
    "conversation.read": [lambda at: {**_in(at), "seq": 1}],
    "conversation.typing": [lambda at: {**_in(at), "typing": True}],
    "message.edit": [lambda at: {**_in(at), "id": at["said"], "text": "in other words"}],
    "message.versions": [lambda at: {**_in(at), "id": at["said"]}],
    "message.react": [lambda at: {**_in(at), "id": at["said"], "reaction": "+1"}],
    "message.delete": [lambda at: {**_in(at), "id": at["said"]}, lambda at: {**_in(at), "id": new_id()}],
    "conversation.checkpoints": [lambda at: {**_in(at), "agent": "assistant"}],
    "conversation.rewind": [lambda at: {**_in(at), "id": new_id(), "message": new_id(), "ask": False}],
    "conversation.members.invite": [lambda at: {**_in(at), "user": "someone"}],
    "conversation.members.accept": [lambda at: _in(at)],
    "conversation.members.decline": [lambda at: _in(at)],
    "conversation.invitations": [lambda _: {}],
    "conversation.members.add": [lambda at: {**_in(at), "user": "another", "role": "reader"}],
    "conversation.members.role": [
        lambda at: {**_in(at), "user": at["other"], "role": "reader"},
        lambda at: {**_in(at), "user": at["user"], "role": "reader"},
    ],
    "conversation.members.list": [lambda at: {**_in(at), "limit": 2}],
    "conversation.members.remove": [lambda at: {**_in(at), "user": at["other"]}],
    "conversation.mute": [lambda at: {**_in(at), "until": None}],
    "conversation.archive": [lambda at: {**_in(at), "archived": True}],
    "conversation.presence": [lambda at: _in(at)],
    "conversation.leave": [lambda at: _in(at)],
    "conversation.delete": [lambda at: _in(at)],
}
"""Of each RPC what is asked, in a conversation of one's own. A new RPC needs one."""


def _in(at: Twin) -> dict[str, Any]:
    return {"conversation": at["conversation"]}


class Both:
    """One user at both doors, and how it is answered there: (code, result)."""

    def __init__(self, device: Device, back_end: BackEnd, user: str) -> None:
        self.device, self.back_end, self.user = device, back_end, user

    async def by_socket(self, method: str, arguments: dict[str, Any]) -> tuple[int, Any]:
        reply = await self.device.ask(rpc={"method": method, "data": arguments})
        if "error" in reply:
            return reply["error"]["code"], None
        return 0, reply["rpc"]["data"]

    async def by_http(self, method: str, arguments: dict[str, Any]) -> tuple[int, Any]:
        answer = await self.back_end.call(method, **arguments)
        return (0, answer.json()) if answer.status_code == 200 else (problem(answer)["code"], None)

    async def twin(self) -> Twin:
        """Another conversation like all others."""
        other = fresh_user("other")
        made = await self.back_end.done(
            "conversation.create", members=[other], answers={"assistant": "never"}
        )
        talk = made["conversation"]
        said = await self.back_end.done("conversation.send", conversation=talk, id=new_id(), text="first")
        return {"conversation": talk, "other": other, "said": said["message"], "user": self.user}


@pytest.fixture
async def both(door: Door, keys: KeysFile) -> AsyncIterator[Both]:
    user = fresh_user("ann")
    async with BackEnd(keys.address, keys.keys["billing"], user) as back_end:
        device = await door.arrive(user)
        yield Both(device, back_end, user)
        await device.connection.close()


def alike(told: Any, at: Twin) -> Any:
    """What was told, without what differs between two conversations: ids, epochs, times."""
    text = json.dumps(told, sort_keys=True)
    for word in ("other", "user"):
        text = text.replace(at[word], f"<{word}>")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r'"epoch": "[^"]+"', '"epoch": "<epoch>"', text)
    return json.loads(re.sub(r"\b1[67]\d{11}\b", "0", text))


@pytest.mark.parametrize("method", rpc.METHODS)
async def test_both_doors_answer_the_same(both: Both, method: str) -> None:
    for sample in SAMPLES[method]:
        first, second = await both.twin(), await both.twin()
        if method == "conversation.list":  # the same list at both
            second = first
        one = await both.by_socket(method, sample(first))
        other = await both.by_http(method, sample(second))
        assert alike(one, first) == alike(other, second)


@pytest.mark.parametrize("method", rpc.METHODS)
async def test_what_is_wrong_is_the_same_error_at_both(both: Both, method: str) -> None:
    for case in [*wrong(rpc.METHODS[method].arguments)][:20]:
        arguments = json.loads(case.body)
        one = await both.by_socket(method, arguments)
        assert one == await both.by_http(method, arguments) == (107, None), case


@pytest.mark.parametrize("method", rpc.METHODS)
async def test_a_conversation_that_is_not_there_is_the_same_error_at_both(both: Both, method: str) -> None:
    arguments = good(rpc.METHODS[method].arguments)
    if "conversation" not in arguments:
        return
    arguments = {**arguments, "conversation": new_id()} | ({"id": new_id()} if "id" in arguments else {})
    one, other = await both.by_socket(method, arguments), await both.by_http(method, arguments)
    assert one[0] == other[0] != 0
