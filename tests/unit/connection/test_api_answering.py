"""The back ends' door without a socket: what becomes of faults, of what is late, and of slow bodies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.connection.api import requests
from services.connection.api.answering import READING, Answering, Bounds
from services.connection.api.keys import Keys
from services.connection.api.operations import Asked, Nothing, Operation, Table
from services.connection.api.problems import STATUSES, field_of, of_error
from services.connection.api.served import table
from services.connection.api.telling import Telling
from services.connection.deeds import Deeds
from services.local.apikey import line
from services.shared.model import errors
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing
from services.shared.wire import rpc
from services.shared.wire.codes import FAULTS, INTERNAL
from tests.support.inbound import Port, inbound
from tests.support.waiting import eventually

KEY = "a key of the tests"
Does = Callable[[Asked], Awaitable[bytes]]


class Text(msgspec.Struct):
    """Arguments."""

    text: str = ""


def answering(
    folder: Path, does: Does, *, ending: bool = False, answer_s: float = 5, at_once: int = 2
) -> Answering:
    file = folder / "keys"
    file.write_text(line("billing", KEY))
    operation = Operation("POST", "/api/v1/do", "do", "Does it.", Text, Nothing, (), does)
    telling = Telling(Tracing.off(), Metrics(), None, FakeClock())
    return Answering(Table([operation]), Keys(file), Bounds(100, at_once, answer_s), telling, lambda: ending)


async def asked(application: Answering, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=application)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://pod", headers=headers) as client:
        return await client.post("/api/v1/do", **({"content": b"{}"} | more))


@pytest.mark.parametrize(
    "fault", [errors.Broken("a script of ours"), RuntimeError("what we never thought of")]
)
async def test_a_fault_of_ours_is_500_says_nothing_of_itself_and_is_not_to_be_repeated(
    tmp_path: Path, fault: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async def does(_: Asked) -> bytes:
        raise fault

    application = answering(tmp_path, does)
    for _ in range(3):  # it goes on
        answer = await asked(application)
        assert (answer.status_code, answer.json()["code"], answer.json()["temporary"]) == (500, 100, False)
        assert str(fault) not in answer.text
        assert "retry-after" not in answer.headers
    assert "request failed" in capsys.readouterr().out


async def test_what_takes_too_long_is_503_and_to_be_repeated(tmp_path: Path) -> None:
    async def does(_: Asked) -> bytes:
        return await asyncio.Future()

    answer = await asked(answering(tmp_path, does, answer_s=0.01))
    assert (answer.status_code, answer.json()["code"], answer.json()["temporary"]) == (503, 100, True)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("most", [1, 2])
async def test_more_at_once_than_there_is_room_for_are_told_to_come_again(tmp_path: Path, most: int) -> None:
    begun, over = asyncio.Semaphore(0), asyncio.Event()

    async def does(_: Asked) -> bytes:
        begun.release()
        await over.wait()
        return b"{}"

    application = answering(tmp_path, does, at_once=most)
    async with asyncio.TaskGroup() as group:
        doing = [group.create_task(asked(application)) for _ in range(most)]
        for _ in doing:
            await begun.acquire()
        refused, nobody = await asked(application), await asked(application, headers={"Authorization": "x"})
        over.set()
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, 100, "1")
    assert nobody.status_code == 401, "who is nobody takes no room"
    assert [(await each).status_code for each in doing] == [200] * most
    assert (await asked(application)).status_code == 200


async def test_bodies_that_are_awaited_have_places_of_their_own_and_not_without_end(tmp_path: Path) -> None:
    async def does(_: Asked) -> bytes:
        return b"{}"

    slow = most = 3 * READING
    begun, over = asyncio.Semaphore(0), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        begun.release()
        await over.wait()
        yield b"{}"

    application = answering(tmp_path, does, at_once=3)

    async def waited() -> bool:
        return application._reading.taken == most

    async with asyncio.TaskGroup() as group:
        doing = [group.create_task(asked(application, content=pieces())) for _ in range(slow)]
        await eventually(waited)
        refused = await asked(application)
        over.set()
    assert refused.status_code == 503
    assert {(await each).status_code for each in doing} <= {200, 503}
    assert (await asked(application)).status_code == 200


async def test_a_body_that_never_ends_is_408_and_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_WITHIN_S", 0.01)
    done = []

    async def does(asked: Asked) -> bytes:
        done.append(asked)
        return b"{}"

    told: list[Any] = []

    async def receive() -> Any:
        if told or waited:
            return await asyncio.Future()
        waited.append(True)
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message: Any) -> None:
        told.append(message)

    waited: list[bool] = []
    headers = [(b"authorization", f"Bearer {KEY}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/do", "headers": headers}
    await answering(tmp_path, does)(scope, receive, send)
    assert told[0]["status"] == 408
    assert (b"connection", b"close") in told[0]["headers"]
    assert done == []


async def test_bodies_get_little_time_once_the_process_goes(tmp_path: Path) -> None:
    async def does(_: Asked) -> bytes:
        raise AssertionError("it is not done")

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Future()

    application = answering(tmp_path, does)
    async with asyncio.TaskGroup() as group:
        before = group.create_task(asked(application, content=never()))
        await eventually(lambda: application._reading.taken)
        application.hurry(0.01)
        after = await asked(application, content=never())
    assert ((await before).status_code, after.status_code) == (408, 408)


async def test_a_process_that_ends_keeps_no_connection(tmp_path: Path) -> None:
    async def does(_: Asked) -> bytes:
        return b"{}"

    assert (await asked(answering(tmp_path, does, ending=True))).headers["connection"] == "close"
    assert "connection" not in (await asked(answering(tmp_path, does))).headers


async def test_far_more_than_a_body_may_have_is_not_heard_out(tmp_path: Path) -> None:
    async def does(_: Asked) -> bytes:
        raise AssertionError("it is not done")

    application = answering(tmp_path, does)
    assert (await asked(application, content=b" " * 101)).status_code == 413
    endless = await asked(application, content=b" " * (requests.HEARD_OUT_BYTES + 102))
    assert (endless.status_code, endless.headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("Expected `str`, got `int` - at `$.text`", "text"),
        ("Expected `str`, got `int` - at `$.members[3]`", "members[3]"),
        ("Object missing required field `text`", "text"),
        ("Object missing required field `x` - at `$.text`", "text.x"),
        ("text is empty; to say nothing is message.delete", "text"),
        ("text: what is meant", "text"),
        ("Expected `object`, got `array`", ""),
        ("JSON is malformed: invalid character (byte 0)", ""),
        ("something else is wrong", ""),
    ],
)
def test_the_argument_a_sentence_is_about_is_found(said: str, field: str) -> None:
    assert field_of(said, Text) == field


def test_every_error_has_a_status_and_says_no_more_than_devices_are_told() -> None:
    told = {fault for method in rpc.METHODS.values() for fault in method.faults}
    assert told <= set(STATUSES) <= set(FAULTS)
    stranger = of_error(errors.NotMember("zoe is not a member of conversation:x"), Text)
    assert "zoe" not in stranger.problem.detail
    assert of_error(errors.NotReplicated("of 10.0.0.1"), Text).problem.detail == FAULTS[INTERNAL]


def test_every_rpc_is_an_operation_with_its_words_and_the_document_has_them_all() -> None:
    deeds: Deeds = inbound()._deeds
    bus: Any = type("Bus", (), {"census": Port({}), "revocations": Port(None)})()
    known = table(deeds, bus, FakeClock(), "1.2.3")
    assert {each.name for each in known.all} >= set(rpc.METHODS)
    for name, method in rpc.METHODS.items():
        operation, place = known.find(f"/api/v1/{name.replace('.', '/')}")
        assert operation is not None, f"{name} has no route"
        assert (operation.name, operation.arguments, place) == (name, method.arguments, "")
        assert operation.meaning


async def test_the_document_is_one_of_openapi_3_1_without_what_its_patterns_may_not_have() -> None:
    bus: Any = type("Bus", (), {"census": Port({}), "revocations": Port(None)})()
    known = table(inbound()._deeds, bus, FakeClock(), "1.2.3")
    operation, _ = known.find("/api/v1/openapi.json")
    assert operation is not None
    assert operation.open
    document = msgspec.json.decode(await operation.does(Asked(None, None, b"")))  # type: ignore[arg-type]
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {each.path for each in known.all}
    for path, each in document["paths"].items():
        for verb, told in each.items():
            parameters = {one["name"] for one in told["parameters"]}
            assert {f"{{{name}}}" in path for name in parameters - {"X-Continuo-User"}} <= {True}, (
                path,
                verb,
            )
            assert told["responses"]["200"]["content"]["application/json"]["schema"]
    assert "\\\\Z" not in msgspec.json.encode(document).decode()
    assert _dangling(document) == set()


def _dangling(document: dict[str, Any]) -> set[str]:
    """References to nothing."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(reference := value.get("$ref"), str):
                found.add(reference.removeprefix("#/components/schemas/"))
            for each in value.values():
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    look(document)
    return found - set(document["components"]["schemas"])
