"""Marked text is fed to everything, and all that comes out, but for devices and Redis, is searched for it.

Each mark is unique, so what is found says what leaked, and where.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
import websockets

from services.local.device import new_id
from tests.support.door import PATH, Device
from tests.support.machine import Machine
from tests.support.marked_house import MarkedHouse
from tests.support.marking_graphs import MARKED
from tests.support.marks import SEED, Marks
from tests.support.model_server import Answer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LONG = 70_000
UNSIGNED = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")


def token(house: MarkedHouse, user: str, secret: str = "", **claims: Any) -> str:
    """A token that holds marks: a claim nobody reads, and one that is shown to other devices."""
    marked = {"note": house.marks.of("claim of a token"), "info": {"name": house.marks.of("info of a token")}}
    said = {"sub": user, "exp": time.time() + 600, **marked, **claims}
    return jwt.encode(said, secret or house.secret, algorithm="HS256")


def parts_of(marks: Marks, what: str, made: str) -> str:
    """Have each part of a token searched for as well, as it is sent."""
    for number, part in enumerate(made.split(".")):
        if part:
            marks.made[f"{what}, part {number}"] = part[-40:].lower()
    return made


async def arrive(house: MarkedHouse, user: str) -> Device:
    device = await house.open()
    told = parts_of(house.marks, f"token of {user}", token(house, user))
    marks = house.marks
    await device.ask(
        connect={
            "token": told,
            "data": {"said": marks.of("data of a connect")},
            "name": f"client {marks.of('name of a client')}",
            "version": f"version {marks.of('version of a client')}",
            "headers": {"x": marks.of("emulated header")},
        }
    )
    return device


async def talk(house: MarkedHouse) -> None:
    """What a well-behaved client does, and a graph that makes everything of it."""
    marks, ann, talk = house.marks, await arrive(house, "ann"), new_id()
    await call(ann, "conversation.create", id=talk, title=marks.of("title"))
    await ann.ask(
        subscribe={"channel": f"conversation:{talk}", "data": {"x": marks.of("data of a subscribe")}}
    )
    tokens = [f" {marks.of(f'token {number}')}" for number in range(40)]
    house.model.answers += [Answer(tokens), Answer(status=400, error=marks.of("refusal of a model"))]
    deeds = ["stream", "stream", "fail", "chain", "retry", "call", "call_fail", "crash", "unfit"]
    for number, deed in enumerate(deeds):
        text = f"{marks.of(f'text {number} {deed}')} do:{deed} "
        traced = f"00-{'ab' * 16}-{'cd' * 8}-01" if number else marks.of("traceparent")
        await call(ann, "conversation.send", conversation=talk, id=new_id(), text=text, traceparent=traced)
        await finished(ann, number + 1)
    await be_asked(house, ann, talk)
    said = {"id": new_id(), "text": f"{marks.of('text published')} do:call "}
    await ann.ask(publish={"channel": f"conversation:{talk}", "data": said})
    await finished(ann, len(deeds) + 3)
    await call(ann, "conversation.history", conversation=talk, limit=50, query=marks.of("query of a history"))
    await call(ann, "conversation.search", conversation=talk, query=marks.of("query of a search"))
    await ann.ask(history={"channel": f"conversation:{talk}", "limit": 10})
    await ann.ask(presence={"channel": f"conversation:{talk}"})
    await call(ann, "conversation.delete", conversation=talk)


async def be_asked(house: MarkedHouse, ann: Device, talk: str) -> None:
    """A graph asks, and people answer: one what nobody asked, one well, upon which the graph quotes it."""
    marks, before = house.marks, len(ends_of(ann))
    text = f"{marks.of('text that asks')} do:ask "
    await call(ann, "conversation.send", conversation=talk, id=new_id(), text=text)
    await finished(ann, before + 1)
    [asked] = [body["interrupt"] for body in bodies_of(ann) if body.get("type") == "input.requested"]
    for interrupt, answer in {
        marks.of("interrupt that is none"): marks.of("answer to nothing"),
        asked: {"said": marks.of("answer")},
    }.items():
        said = {"conversation": talk, "id": new_id(), "interrupt": interrupt, "answer": answer}
        await call(ann, "conversation.answer", **said)
    await finished(ann, before + 2)


def bodies_of(device: Device) -> list[dict[str, Any]]:
    return [each["pub"]["data"] for each in device.pushes if "pub" in each]


def ends_of(device: Device) -> list[dict[str, Any]]:
    return [body for body in bodies_of(device) if body.get("type") == "turn.finished"]


async def call(device: Device, method: str, **data: Any) -> dict[str, Any]:
    return await device.ask(rpc={"method": method, "data": data})


async def finished(device: Device, count: int) -> None:
    """Read until so many turns have ended, whichever way."""
    async with asyncio.timeout(30):
        while len(ends_of(device)) < count:
            await device.line()


async def misbehave(house: MarkedHouse) -> None:
    """Everything wrong that a client can say, each with a mark in it."""
    marks, eve = house.marks, await arrive(house, "eve")
    wrong: list[dict[str, Any]] = [
        {"rpc": {"method": marks.of("name of a method"), "data": {}}},
        {"rpc": {"method": "conversation.send", "data": {"text": marks.of("text without a conversation")}}},
        {"rpc": {"method": "conversation.send", "data": marks.of("arguments that are no object")}},
        {"rpc": {"method": "conversation.send", "data": said(marks.of("text of a stranger"))}},
        {"rpc": {"method": "conversation.send", "data": said("x", conversation=marks.of("wrong id"))}},
        {"rpc": {"method": "conversation.send", "data": said("x" * LONG + marks.of("text too long"))}},
        {"rpc": {"method": "conversation.create", "data": {"title": marks.of("title too long") * 50}}},
        {"rpc": {"method": "conversation.create", "data": {"members": [marks.of("wrong member") + " !"]}}},
        {"rpc": {"method": "conversation.members.add", "data": {"role": marks.of("wrong role")}}},
        {"publish": {"channel": f"conversation:{new_id()}", "data": {"x": marks.of("data of a publish")}}},
        {"publish": {"channel": f"conversation:{new_id()}", "data": said(marks.of("publish of a stranger"))}},
        {"subscribe": {"channel": f"conversation:{marks.of('channel of no id')}"}},
        {"subscribe": {"channel": marks.of("channel of no kind")}},
        {"subscribe": {"channel": f"conversation:{new_id()}", "token": marks.of("token of a subscribe")}},
        {"history": {"channel": f"conversation:{new_id()}", "since": {"epoch": marks.of("epoch")}}},
        {"sub_refresh": {"channel": f"conversation:{new_id()}", "token": marks.of("token of a sub_refresh")}},
    ]
    for command in wrong:
        try:
            await eve.ask(**command)
        except websockets.ConnectionClosed:
            eve = await arrive(house, "eve")
    for what, line in frames(marks).items():
        marks.of(what)
        device = await arrive(house, "mallory")
        await device.say(line)
        await device.closed()


def said(text: str, **more: str) -> dict[str, str]:
    return {"conversation": new_id(), "id": new_id(), "text": text, **more}


def frames(marks: Marks) -> dict[str, str | bytes]:
    return {
        "bad JSON": '{"id":9,"rpc":{"method":"x","data":{"' + marks.of("bad JSON"),
        "no JSON": marks.of("no JSON"),
        "binary": marks.of("binary").encode(),
        "unknown command": json.dumps({"id": 9, marks.of("unknown command"): {}}),
        "wrong kind": json.dumps({"id": marks.of("wrong kind"), "rpc": {}}),
        "lone surrogate": json.dumps(
            {"id": 9, "rpc": {"method": "\ud800" + marks.of("lone surrogate"), "data": {}}}
        ),
        "too big": '{"id":9,"rpc":{"method":"' + marks.of("too big") + "x" * 100_000,
    }


async def come_with_tokens(house: MarkedHouse) -> None:
    marks = house.marks
    bad = {
        "expired": token(house, "ann", exp=time.time() - 60),
        "forged": token(house, "ann", secret=marks.of("secret of a forger") * 3),
        "of nobody": token(house, ""),
        "of an odd user": token(house, f"{marks.of('user that is none')} !"),
        "unsigned": f"{UNSIGNED}.{marks.of('unsigned')}.",
        "no token": marks.of("no token"),
    }
    for what, shown in bad.items():
        device = await house.open()
        await device.begin(
            connect={"token": parts_of(marks, what, shown) if shown.count(".") == 2 else shown}
        )
        await device.closed()
    ann = await arrive(house, "ann")
    await ann.begin(refresh={"token": marks.of("token of a refresh")})
    await ann.closed()


async def knock(house: MarkedHouse) -> None:
    """Requests on every port: marked paths, queries, headers, bodies, and what is no HTTP at all."""
    marks = house.marks
    for name, port in house.ports.items():
        mark = lambda what, name=name: marks.of(f"{what} at {name}")  # noqa: E731
        headers = (
            f"Authorization: Bearer {mark('bearer')}\r\nX-Y: {mark('header')}\r\nCookie: {mark('cookie')}"
        )
        body = json.dumps({"plan": mark("plan of a stranger"), "within_s": mark("seconds")})
        for request in (
            f"GET /{mark('path')}?q={mark('query')} HTTP/1.1\r\n{headers}\r\n\r\n",
            f"POST /drain HTTP/1.1\r\n{headers}\r\ncontent-length: {len(body)}\r\n\r\n{body}",
            f"{mark('method')} / HTTP/1.1\r\n\r\n",
            f"{mark('no request')}\r\n\r\n",
            f"GET / HTTP/1.1\r\n{mark('header without colon')}\r\n\r\n",
            f"GET / HTTP/1.1\r\nX: {mark('endless header')}{'x' * 100_000}\r\n\r\n",
        ):
            await send_raw(port, request.encode())
    admin = f"Authorization: Bearer {marks.of('token of the admin port')}"
    for path, order in {
        "/drain": {"plan": marks.of("plan")},
        "/undrain": {"plan": marks.of("another plan")},
    }.items():
        body = json.dumps(order | {"within_s": marks.of("wrong seconds")})
        head = f"POST {path} HTTP/1.1\r\n{admin}\r\ncontent-length: {len(body)}\r\n\r\n"
        await send_raw(house.ports["admin"], (head + body).encode())
    query = f"?token={marks.of('query of a handshake')}"
    await house.open(query, additional_headers={"X-Y": marks.of("header of a handshake")})
    for more in (
        {"subprotocols": [marks.of("subprotocol")]},
        {"origin": f"https://{marks.of('origin')}.example"},
    ):
        with contextlib.suppress(websockets.InvalidHandshake):
            await house.open("", **more)


async def send_raw(port: int, request: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(5):
            await reader.read()
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def lose_redis(house: MarkedHouse) -> None:
    """Messages under way while the master dies, and a journal that cannot be read."""
    marks, ann, talk = house.marks, await arrive(house, "ann"), new_id()
    await call(ann, "conversation.create", id=talk, title=marks.of("title of the second"))
    house.model.answers.append(Answer([f" {marks.of('token in a failover')}"] * 20))
    house.redis.child(house.redis.master).kill()
    message = new_id()
    text = f"{marks.of('text in a failover')} do:stream "

    async def accepted() -> bool:
        reply = await call(ann, "conversation.send", conversation=talk, id=message, text=text)
        return "rpc" in reply

    async def answered() -> bool:
        page = await call(ann, "conversation.history", conversation=talk)
        return "rpc" in page and len(page["rpc"]["data"]["messages"]) == 2

    await eventually(accepted, within_s=60, every_s=0.2)
    await eventually(answered, within_s=60, every_s=0.2)


async def fed(house: MarkedHouse) -> Mapping[str, str]:
    """Feed everything; all that came out."""
    await talk(house)
    await misbehave(house)
    await come_with_tokens(house)
    await knock(house)
    pages = await house.pages()
    await lose_redis(house)
    kept = await house.kept()
    assert {leak.what for leak in house.marks.found_in({"redis": kept})} >= {"text in a failover"}
    await house.stop_services()
    return {**pages, **await house.outputs()}


async def test_nothing_that_is_said_and_no_secret_is_in_any_output(tmp_path: Path) -> None:
    async with MarkedHouse(tmp_path) as house:
        outputs = await fed(house)
    leaks = house.marks.found_in(outputs)
    assert not leaks, "\n".join(map(str, leaks))
    assert len(house.marks.made) > 100
    for where in ("log logs/connection.log", "log logs/conversation.log", "log logs/presence.log"):
        assert outputs[where].count("\n") > 10, where
        assert outputs[where].count('"master moved"') == 1, where  # whoever of three Sentinels says so
    assert '"debug"' in outputs["log logs/connection.log"]
    assert "turn.attempt" in outputs["traces"]
    assert '"action": "sent"' in outputs["audit"]


async def test_on_one_machine_nothing_is_in_any_file_but_what_redis_keeps(tmp_path: Path) -> None:
    """`continuo up` with Redis, logs and traces of its own; it prints two users' tokens, and nothing else."""
    marks = Marks(new_id())
    for what in MARKED:
        marks.of(what)
    secret = marks.of("secret of tokens") * 3
    said = {SEED: marks.seed, "CONTINUO_LOG_LEVEL": "debug", "CONTINUO_TOKEN_HMAC_SECRET": secret}
    graphs = {"CONTINUO_GRAPHS": "assistant=tests.support.marking_graphs:build"}
    machine = Machine(tmp_path / "home", said | graphs, words=["--verbose"])
    try:
        await machine.ready()
        address = f"ws://127.0.0.1:{machine.ports.partition(',')[0]}{PATH}"
        device = Device(await websockets.connect(address, proxy=None, ping_interval=None))
        own = jwt.encode({"sub": "alice", "exp": time.time() + 600}, secret, algorithm="HS256")
        await device.ask(connect={"token": parts_of(marks, "token", own)})
        talk = new_id()
        await call(device, "conversation.create", id=talk, title=marks.of("title"))
        await device.ask(subscribe={"channel": f"conversation:{talk}"})
        for number, deed in enumerate(("fail", "retry", "call", "call_fail", "crash", "ask")):
            text = f"{marks.of(f'text {deed}')} do:{deed} "
            await call(device, "conversation.send", conversation=talk, id=new_id(), text=text)
            await finished(device, number + 1)
        await device.connection.close()
    finally:
        machine.end()
    files = [file for file in machine.home.rglob("*") if file.is_file() and file.suffix in {".log", ".jsonl"}]
    outputs = {str(file.relative_to(tmp_path)): file.read_text(errors="replace") for file in files}
    printed = [line for line in machine.printed if "token of " not in line]
    leaks = marks.found_in({**outputs, "printed": "\n".join(printed)})
    assert not leaks, "\n".join(map(str, leaks))
    assert any("turn finished" in line for line in printed)
    assert {"home/traces.jsonl", "home/logs/conversation.log"} <= set(outputs)


async def test_without_the_protections_the_same_search_finds_what_leaks(tmp_path: Path) -> None:
    """The control: whoever takes one out is told by the test above."""
    worker, door = "tests.support.indiscreet_worker", "tests.support.indiscreet_door"
    async with MarkedHouse(tmp_path, worker=worker, door=door) as house:
        await talk(house)
        await house.stop_services()
        leaks = house.marks.found_in(await house.outputs())
    found = {(leak.what, leak.where.rpartition("/")[2]) for leak in leaks}
    assert found >= {
        ("exception of a node", "conversation.log"),  # exceptions are told by their texts
        ("exception that is tried again", "conversation.log"),  # a library's own line is written out
        ("text 4 retry", "conversation.log"),
        ("exception of a thread", "conversation.log"),  # Python prints past the log
        ("warning", "conversation.log"),
        ("title", "connection.log"),  # frames are logged
    }
