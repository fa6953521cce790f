"""Bad input to every route: it is refused with the right status and named, and nothing is done."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.connection.api.beside import Disconnect, Revoke
from services.local.device import new_id
from services.shared.bus.house import Bus
from services.shared.wire import rpc
from tests.support.back_end import BackEnd, KeysFile, problem
from tests.support.bad_arguments import CONVERSATION, good, wrong
from tests.support.door import Door

ROUTES: dict[str, type[msgspec.Struct]] = {
    f"/{name.replace('.', '/')}": method.arguments for name, method in rpc.METHODS.items()
} | {"/users/ann/disconnect": Disconnect, "/tokens/revoke": Revoke}
EACH = pytest.mark.parametrize("path", ROUTES)
ALONE = ("/users/ann/disconnect", "/tokens/revoke")
BODY_BYTES = 65_536


@pytest.fixture
async def service(door: Door, keys: KeysFile, bus: Bus) -> AsyncIterator[BackEnd]:
    """One beside a conversation of Ann, the one that `bad_arguments` names."""
    async with BackEnd(keys.address, keys.keys["billing"]) as service:
        async with service.acting("ann") as ann:
            await ann.done("conversation.create", id=CONVERSATION, answers={"assistant": "never"})
        yield service


async def kept(bus: Bus) -> dict[bytes, Any]:
    """All that is kept of conversations and users, of what is revoked, and of words to all servers."""
    commands = bus.floor.commands
    found: dict[bytes, Any] = {}
    async for key in commands.scan_iter(match="*", count=1000):
        if key.endswith(b":outbox"):  # its reader is noted in it, each time it looks
            found[key] = (await commands.xinfo_stream(key))["last-generated-id"]
        elif key.startswith(b"{p") or b"revoked" in key or b"control" in key:
            found[key] = await commands.dump(key)
    return {key: value for key, value in found.items() if b":audit" not in key and b":denied" not in key}


def acting(service: BackEnd, path: str) -> BackEnd:
    return service.acting("" if path in ALONE else "ann")


def belongs(told: str, field: str) -> bool:
    """Whether a field that is named is this one, or in it."""
    return told == field or told.startswith((f"{field}[", f"{field}."))


@EACH
async def test_every_argument_that_is_wrong_is_named_and_nothing_is_done(
    service: BackEnd, bus: Bus, path: str
) -> None:
    before = await kept(bus)
    async with acting(service, path) as back_end:
        for case in wrong(ROUTES[path]):
            answer = await back_end.raw(path, case.body)
            about = f"{case.what}: {case.body!r}: {answer.text}"
            assert (answer.status_code, problem(answer)["code"]) == (400, 107), about
            assert belongs(problem(answer).get("field", ""), case.field), about
    assert await kept(bus) == before


@EACH
async def test_what_is_no_arguments_at_all_is_refused(service: BackEnd, bus: Bus, path: str) -> None:
    before = await kept(bus)
    async with acting(service, path) as back_end:
        for body in (
            b"{",
            b"x",
            b"[]",
            b"7",
            b"null",
            b'"text"',
            b"\xff",
            b"{} {}",
            b"[" * 5000,
            b"{'a': 1}",
        ):
            answer = await back_end.raw(path, body)
            assert (answer.status_code, problem(answer)["code"]) == (400, 107), (body[:20], answer.text)
    assert await kept(bus) == before


@EACH
async def test_a_body_of_another_kind_or_too_large_is_refused(service: BackEnd, bus: Bus, path: str) -> None:
    before = await kept(bus)
    body = msgspec.json.encode(good(ROUTES[path]))
    async with acting(service, path) as back_end:
        for kind in ("text/plain", "application/xml", "application/json; charset=utf-16", "", "json"):
            answer = await back_end.raw(path, body, **{"Content-Type": kind})
            assert (answer.status_code, problem(answer)["field"]) == (415, "Content-Type"), kind
        packed = await back_end.raw(path, body, **{"Content-Encoding": "gzip"})
        assert (packed.status_code, problem(packed)["field"]) == (415, "Content-Encoding")
        large = await back_end.raw(path, body + b" " * (BODY_BYTES + 1 - len(body)))
        assert (large.status_code, problem(large)["code"]) == (413, 107)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(BODY_BYTES // 1024 + 1):
                yield b" " * 1024

        streamed = await back_end.client.post(
            path, content=pieces(), headers={"Content-Type": "application/json"}
        )
        assert streamed.status_code == 413
    assert await kept(bus) == before


async def test_a_body_of_just_the_bound_is_taken(service: BackEnd) -> None:
    async with service.acting("ann") as ann:
        body = msgspec.json.encode({"limit": 5})
        answer = await ann.raw("/conversation/list", body + b" " * (BODY_BYTES - len(body)))
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("conversation.create", {"agents": ["a", "a"]}, "agents"),
        ("conversation.create", {"answers": {"nobody": "never"}}, "answers"),
        ("conversation.send", {"id": "01980000-0000-4000-8000-00000000b001", "text": "x"}, "id"),
        ("conversation.rewind", {"id": new_id(), "message": new_id(), "ask": False, "text": "x"}, "text"),
        ("message.react", {"id": new_id(), "reaction": "two words"}, "reaction"),
        ("message.react", {"id": new_id(), "reaction": "\u20ac" * 11}, "reaction"),
    ],
)
async def test_what_only_the_bus_can_judge_is_named_too(
    service: BackEnd, method: str, arguments: dict[str, Any], field: str
) -> None:
    where = {} if method == "conversation.create" else {"conversation": CONVERSATION}
    async with service.acting("ann") as ann:
        answer = await ann.call(method, **where, **arguments)
        assert (answer.status_code, problem(answer).get("field")) == (400, field), answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "jti"),
        ({"jti": "a", "user": "ann"}, "jti"),
        ({"jti": "a", "issued_before": 1}, "issued_before"),
        ({"user": "ann", "until": 1}, "until"),
        ({"user": "ann", "issued_before": 9e10}, "issued_before"),
        ({"jti": "two words"}, "jti"),
        ({"user": "two words"}, "user"),
    ],
)
async def test_what_cannot_be_revoked_is_named_and_nothing_is(
    service: BackEnd, bus: Bus, body: dict[str, Any], field: str
) -> None:
    before = await kept(bus)
    answer = await service.client.post("/tokens/revoke", json=body)
    assert (answer.status_code, problem(answer)["field"]) == (400, field)
    assert await kept(bus) == before
