"""The back ends' door where things end: too many at once, clients, Redis, the server that go."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.runtime.tracing import trace_id
from tests.support.back_end import USER_HEADER, BackEnd, KeysFile, problem
from tests.support.door import Door
from tests.support.open_bus import fresh_user, open_bus
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.waiting import eventually

OF_CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@asynccontextmanager
async def opened(redis: EmbeddedRedis, folder: Path, **settings: str) -> AsyncIterator[tuple[Door, BackEnd]]:
    """A server of one's own, and Ann by way of a back end."""
    keys = KeysFile(folder / "keys", "billing")
    ann = BackEnd(keys.address, keys.keys["billing"], fresh_user("ann"), "billing")
    async with Door(redis, folder / "door", **keys.settings, **settings) as door, ann:
        yield door, ann


def head(ann: BackEnd, path: str, length: int, *more: str) -> bytes:
    """A request's head, with a body of so many bytes to come."""
    user = ann.client.headers[USER_HEADER]
    lines = [
        f"POST /api/v1{path} HTTP/1.1",
        "Host: here",
        f"Authorization: Bearer {ann.key}",
        f"{USER_HEADER}: {user}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def connected(ann: BackEnd) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = httpx.URL(ann.address)
    return await asyncio.open_connection(address.host, address.port)


async def conversation(ann: BackEnd) -> str:
    made = await ann.done("conversation.create", answers={"assistant": "never"})
    return str(made["conversation"])


async def said(ann: BackEnd, talk: str) -> list[str]:
    """The ids of what was said there."""
    page = await ann.done("conversation.history", conversation=talk)
    return [each["id"] for each in page["messages"]]


async def test_who_is_slow_to_say_what_it_wants_takes_nobodys_place(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with opened(redis, tmp_path, CONTINUO_API_REQUESTS="1") as (door, ann):
        reader, holding = await connected(ann)
        holding.write(head(ann, "/conversation/list", 2, "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n", "its body is awaited"
        assert (await ann.call("conversation.list")).status_code == 200
        holding.close()
        gone = 'continuo_api_requests_total{route="/api/v1/conversation/list",status="499"} 1.0'
        await eventually(lambda: door.metric(gone))


async def test_who_goes_amid_its_body_has_nothing_done_and_behind_it_all(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with opened(redis, tmp_path) as (door, ann):
        talk, half, whole = await conversation(ann), new_id(), new_id()
        for message in (half, whole):
            body = json.dumps({"conversation": talk, "id": message, "text": "hello"}).encode()
            _, writer = await connected(ann)
            writer.write(
                head(ann, "/conversation/send", len(body)) + (body if message == whole else body[:-1])
            )
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def taken() -> bool:
            return await said(ann, talk) == [whole]

        await eventually(taken)
        again = await ann.done("conversation.send", conversation=talk, id=whole, text="hello")
        assert again["repeated"]
        assert await said(ann, talk) == [whole]
        assert door.child.alive


async def test_a_head_that_is_too_large_or_never_whole_is_cut(redis: EmbeddedRedis, tmp_path: Path) -> None:
    async with opened(redis, tmp_path, CONTINUO_STALE_S="0.5") as (_, ann):
        for start in (
            head(ann, "/conversation/list", 2, "X-Large: " + "x" * 20_000),
            b"POST /api/v1/x HTTP/1.1\r\n",
        ):
            reader, writer = await connected(ann)
            writer.write(start)
            with_nothing = await reader.read()
            assert with_nothing == b""
            writer.close()
        assert (await ann.call("conversation.list")).status_code == 200


@pytest.mark.slow
async def test_a_master_killed_amid_a_request_is_503_and_a_repeat_is_said_once(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / "redis") as redis, opened(redis, tmp_path) as (door, ann):
        talk, before, message = await conversation(ann), new_id(), new_id()
        await ann.done("conversation.send", conversation=talk, id=before, text="hello")
        master, replicas = redis.master, redis.replicas
        for replica in replicas:  # nobody confirms, and nobody takes over
            redis.freeze(replica)
        said_it = {"conversation": talk, "id": message, "text": "hello"}
        asking = asyncio.create_task(ann.call("conversation.send", **said_it))
        await eventually(lambda: door.metric("continuo_api_under_way 1.0"))
        redis.kill(master)
        refused = await asking
        assert (refused.status_code, problem(refused)["code"]) == (503, 100)
        for replica in replicas:
            redis.thaw(replica)

        async def again() -> bool:
            answer = await ann.call("conversation.send", **said_it)
            assert answer.status_code in {200, 503}
            return answer.status_code == 200

        await eventually(again, within_s=60)
        assert (await ann.done("conversation.send", **said_it))["repeated"]
        assert await said(ann, talk) == [before, message]
        assert door.child.alive


async def test_a_server_that_ends_finishes_what_is_under_way_and_serves_through_its_lame_duck(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with opened(redis, tmp_path, CONTINUO_PROPAGATION_S="2") as (door, ann):
        talk, message = await conversation(ann), new_id()
        device = await door.arrive(ann.client.headers[USER_HEADER])
        body = json.dumps({"conversation": talk, "id": message, "text": "hello"}).encode()
        reader, writer = await connected(ann)
        writer.write(head(ann, "/conversation/send", len(body)) + body[:-1])
        door.child.signal(signal.SIGTERM)

        async def ending() -> bool:
            answer = await ann.call("conversation.list")
            assert answer.status_code == 200, "a lame duck serves"
            return answer.headers.get("connection") == "close"

        await eventually(ending)
        assert (await device.closed())[0] == 3001
        writer.write(body[-1:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"repeated":false' in answer
        async with open_bus(redis) as bus:
            page = await bus.messages.history(talk, ann.client.headers[USER_HEADER], before=None, limit=5)  # type: ignore[arg-type]
            assert [each.id for each in page.messages] == [message]
        await eventually(lambda: not door.child.alive, within_s=20)
        assert "part outlived" not in door.log()
        assert "Exception in ASGI" not in door.log()


async def test_a_server_that_ends_waits_for_no_body_for_long(redis: EmbeddedRedis, tmp_path: Path) -> None:
    async with opened(redis, tmp_path, CONTINUO_PROPAGATION_S="0") as (door, ann):
        reader, writer = await connected(ann)
        writer.write(head(ann, "/conversation/list", 2, "Expect: 100-continue"))
        await reader.readuntil(b"\r\n\r\n")
        door.child.signal(signal.SIGTERM)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 408 ")
        await eventually(lambda: not door.child.alive, within_s=20)
        assert "Exception in ASGI" not in door.log()


async def test_a_request_goes_on_in_the_back_ends_trace_and_is_told_to_the_audit_log_in_it(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    with OtlpReceiver() as receiver:
        traced = receiver.environ("http/protobuf") | {"CONTINUO_TRACES_CLIENTS": "parent"}
        async with opened(redis, tmp_path, **traced) as (_, ann), open_bus(redis) as bus:
            talk, message = await conversation(ann), new_id()
            body = {"conversation": talk, "id": message, "text": "hello"}
            await ann.client.post("/conversation/send", json=body, headers={"traceparent": OF_CLIENT})
            await ann.call("conversation.send", conversation=talk, id="no id", text="x")
            trace = trace_id(OF_CLIENT)
            await receiver.until(
                lambda told: told.named("api.request", trace) and told.named("message.accept", trace)
            )
            [request], [accept] = (
                receiver.named("api.request", trace),
                receiver.named("message.accept", trace),
            )
            assert (request.parent, accept.parent) == ("00f067aa0ba902b7", request.id)
            told = request.attributes
            assert told["http.request.method"] == "POST"
            assert told["http.route"] == "/api/v1/conversation/send"
            assert told["http.response.status_code"] == 200
            assert told["messaging.message.id"] == message
            assert told["continuo.connection"] == "service:billing"
            entries = [each async for each in bus.audit.export().until(await bus.audit.now_ms() + 1)]
            [sent] = [each for each in entries if each.target == message]
            assert (sent.connection, sent.trace) == ("service:billing", trace)
            await receiver.until(
                lambda told: [
                    one for one in told.named("api.request") if one.attributes["continuo.code"] == 107
                ]
            )
