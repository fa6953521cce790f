"""Entries on their way into the audit log: tried again under the same note, bounded, counted when lost."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from services.connection import auditing
from services.connection.auditing import Auditing
from services.connection.core.session import Settled
from services.connection.device import Device
from services.shared.model.audit import AuditEntry
from services.shared.model.errors import Broken, BusUnavailable
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import NOTHING
from services.shared.wire.codes import (
    BAD_REQUEST,
    CONFLICT,
    INTERNAL,
    METHOD_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
    Disconnect,
)
from services.shared.wire.protocol import RpcRequest, SubscribeRequest
from tests.support.waiting import eventually


class Log:
    """The log's port; `fails` are raised first, one for each write."""

    def __init__(self, *fails: Exception) -> None:
        self.tried: list[list[str]] = []
        self.kept: dict[str, AuditEntry] = {}
        self._fails = list(fails)
        self._count = 0

    def named(self) -> str:
        self._count += 1
        return f"n{self._count}"

    async def note(self, entries: Mapping[str, AuditEntry]) -> None:
        self.tried.append(list(entries))
        if self._fails:
            raise self._fails.pop(0)
        self.kept |= entries


def a_device(user: str) -> Device:
    return cast(Device, SimpleNamespace(user=user, connection=f"of-{user}", trace="", span=NOTHING))


def opened(log: Log) -> tuple[Auditing, Metrics]:
    metrics = Metrics()
    return Auditing(log, lambda: 0.0, metrics), metrics


def waiting(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("continuo_audit_waiting")


def lost(metrics: Metrics) -> float:
    value: Any = metrics.audit_lost._value
    return float(value.get())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "EVERY_S", 0)
    monkeypatch.setattr(auditing, "AGAIN_S", 0)


async def test_an_entry_redis_did_not_take_is_written_again_under_its_note() -> None:
    log = Log(BusUnavailable("gone"), BusUnavailable("gone"))
    told, metrics = opened(log)
    told.connected(a_device("ann"))
    assert waiting(metrics) == 1
    task = asyncio.create_task(told.run())
    await eventually(lambda: log.kept)
    task.cancel()
    assert waiting(metrics) == 0
    assert log.tried == [["n1"]] * 3
    assert [entry.actor for entry in log.kept.values()] == ["ann"]
    assert lost(metrics) == 0


async def test_what_no_redis_takes_at_the_end_is_counted_as_lost() -> None:
    told, metrics = opened(Log(BusUnavailable("gone")))
    told.connected(a_device("ann"))
    await told.end()
    assert lost(metrics) == 1


async def test_a_fault_of_ours_holds_nothing_up() -> None:
    log = Log(Broken("wrong"))
    told, metrics = opened(log)
    told.connected(a_device("ann"))
    task = asyncio.create_task(told.run())
    await eventually(lambda: lost(metrics) == 1)
    told.connected(a_device("bob"))
    await eventually(lambda: log.kept)
    task.cancel()
    assert [entry.actor for entry in log.kept.values()] == ["bob"]


async def test_entries_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "WAITING", 3)
    log = Log()
    told, metrics = opened(log)
    for number in range(5):
        told.connected(a_device(f"u{number}"))
    await told.end()
    assert [entry.actor for entry in log.kept.values()] == ["u0", "u1", "u2"]
    assert lost(metrics) == 2


async def test_what_a_client_made_up_is_neither_a_method_nor_a_conversation() -> None:
    log = Log()
    told, _ = opened(log)
    for method, data in (
        ("marked", b'{"conversation":"marked"}'),
        ("conversation.send", b'{"conversation":1}'),
    ):
        request = RpcRequest(method, msgspec.Raw(data))
        told.settled(a_device("eve"), Settled("rpc", request, PERMISSION_DENIED.code, 0.0))
    told.settled(
        a_device("eve"), Settled("subscribe", SubscribeRequest("marked:x"), PERMISSION_DENIED.code, 0.0)
    )
    await told.end()
    denied = [(entry.target, entry.conversation) for entry in log.kept.values()]
    assert denied == [("rpc", ""), ("conversation.send", ""), ("subscribe", "")]


async def test_what_is_no_denial_is_not_told() -> None:
    log = Log()
    told, _ = opened(log)
    for fault in (None, INTERNAL, BAD_REQUEST, CONFLICT, TOO_MANY_REQUESTS, METHOD_NOT_FOUND):
        request = RpcRequest("conversation.send")
        told.settled(a_device("eve"), Settled("rpc", request, fault.code if fault else 0, 0.0))
    for why in (Disconnect.CLOSED, Disconnect.SHUTDOWN, Disconnect.SLOW, Disconnect.EXPIRED):
        told.ended(a_device("eve"), why)
    await told.end()
    assert log.tried == []
