"""The admin port's three pages: who may use them, what they say, what they refuse and in which words."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from services.connection.admin import BODY_BYTES, Admin, Facts
from services.connection.bearer import Bearers
from services.connection.core.drain import Terms
from services.connection.core.pacing import Rates
from services.connection.drain import Drain, Manner
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from tests.unit.connection.test_drain import Budget, Crowd


class Port:
    """An admin port without a socket."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "tokens"
        self.file.write_text("first\n\n  second  \n")
        self.clock = FakeClock()
        manner = Manner(Terms(5.0, 60.0), Rates(0, 0), "default")
        self.drain = Drain(manner, Crowd(7), Budget(), self.clock, Metrics())
        facts = Facts("node-1", 5000, lambda: 7, lambda: True)
        self._app = Starlette(routes=[*Admin(self.drain, Bearers(self.file), facts).routes()])

    async def ask(
        self, path: str, body: Any = None, *, token: str | None = "first", raw: bytes | None = None
    ) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod", headers=headers) as client:
            if body is None and raw is None:
                return await client.get(path)
            return await client.post(path, json=body) if raw is None else await client.post(path, content=raw)


@pytest.fixture
def port(tmp_path: Path) -> Port:
    return Port(tmp_path)


async def test_the_status_has_the_fields_of_the_contract(port: Port) -> None:
    assert (await port.ask("/status")).json() == {
        "format": 1,
        "node": "node-1",
        "state": "serving",
        "cordoned": False,
        "plan": None,
        "connections": 7,
        "capacity": 5000,
        "redis": True,
        "closed": 0,
        "deadline_s": None,
    }


async def test_a_drain_is_ordered_repeated_replaced_and_taken_back(port: Port) -> None:
    status = (await port.ask("/drain", {"plan": "a", "within_s": 30})).json()
    assert (status["state"], status["cordoned"], status["plan"]) == ("draining", True, "a")
    assert status["deadline_s"] == 30.0
    port.clock.advance(10)
    assert (await port.ask("/drain", {"plan": "a", "within_s": 30})).json()["deadline_s"] == 20.0
    assert (await port.ask("/drain", {"plan": "b", "within_s": 90.5})).json()["deadline_s"] == 90.5
    refused = await port.ask("/undrain", {"plan": "a"})
    assert (refused.status_code, refused.json()["error"]) == (
        409,
        "plan 'b' holds this process, not 'a'",
    )
    for _ in range(2):
        status = (await port.ask("/undrain", {"plan": "b"})).json()
        assert (status["state"], status["cordoned"], status["deadline_s"]) == ("serving", False, None)


async def test_who_is_ending_cannot_be_called_back(port: Port) -> None:
    port.drain.told()
    refused = await port.ask("/undrain", {"plan": "a"})
    assert (refused.status_code, refused.json()["error"]) == (409, "this process is ending")
    assert (await port.ask("/status")).json()["state"] == "lame_duck"


@pytest.mark.parametrize("token", [None, "", "third", "firs", "first second", "FIRST"])
@pytest.mark.parametrize(("path", "body"), [("/status", None), ("/drain", {"plan": "a", "within_s": 1})])
async def test_nobody_comes_in_without_a_token(port: Port, token: str | None, path: str, body: Any) -> None:
    refused = await port.ask(path, body, token=token)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.json()["error"]
    assert port.drain.standing.plan is None


async def test_any_line_of_the_file_is_good_and_a_rotation_needs_no_restart(port: Port) -> None:
    assert (await port.ask("/status", token="second")).status_code == 200
    port.file.write_text("second\nthird\n")
    assert [(await port.ask("/status", token=each)).status_code for each in ("first", "second", "third")] == [
        401,
        200,
        200,
    ]


@pytest.mark.parametrize("content", ["", "\n  \n"])
async def test_a_file_without_tokens_lets_nobody_in(port: Port, content: str) -> None:
    port.file.write_text(content)
    assert (await port.ask("/status")).status_code == 401
    assert (await port.ask("/status", token="")).status_code == 401


async def test_a_file_that_cannot_be_read_is_said_and_lets_nobody_in(port: Port) -> None:
    port.file.unlink()
    refused = await port.ask("/status")
    assert (refused.status_code, refused.json()["error"]) == (
        503,
        "the file of admin tokens cannot be read: No such file or directory",
    )


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "truncated"),
        (b"plan=a", "malformed"),
        (b"[]", "object"),
        (b'{"within_s": 3}', "`plan`"),
        (b'{"plan": "a"}', "`within_s`"),
        (b'{"plan": "", "within_s": 3}', "`$.plan`"),
        (b'{"plan": 5, "within_s": 3}', "`$.plan`"),
        (b'{"plan": "a", "within_s": "3"}', "`$.within_s`"),
        (b'{"plan": "a", "within_s": -1}', "`$.within_s`"),
        (b'{"plan": "a", "within_s": 1e9}', "`$.within_s`"),
        (b'{"plan": "a", "within_s": 3, "force": true}', "`force`"),
    ],
)
async def test_a_wrong_body_is_told_what_is_wrong_with_it(port: Port, raw: bytes, named: str) -> None:
    refused = await port.ask("/drain", raw=raw)
    assert refused.status_code == 400
    assert named in refused.json()["error"]
    assert port.drain.standing.plan is None


async def test_a_body_is_bounded(port: Port) -> None:
    assert (await port.ask("/drain", raw=b" " * (BODY_BYTES + 1))).status_code == 413


async def test_only_the_ways_of_the_contract_are_open(port: Port) -> None:
    wrong = await port.ask("/drain")
    assert (wrong.status_code, wrong.json()) == (405, {"error": "/drain takes POST"})
    nowhere = await port.ask("/elsewhere")
    assert (nowhere.status_code, "/status" in nowhere.json()["error"]) == (404, True)
