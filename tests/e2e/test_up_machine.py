"""`continuo up` as a person meets it: started, hurt, ended."""

import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.local.embedded import EmbeddedRedis
from services.local.servers import free_ports
from tests.support.machine import Machine, continuo
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    started = Machine(tmp_path / "home")
    try:
        await started.ready()
        yield started
    finally:
        started.end()


async def test_ctrl_c_ends_everything_and_leaves_no_process(machine: Machine) -> None:
    for service in ("connection-1", "connection-2", "conversation", "presence"):
        assert machine.said(f"{service} is ready") == 1
    assert machine.said("token of ") == 2
    assert machine.said("continuo chat --user alice") == 1
    assert len(machine.descendants()) == 6 + 4
    assert machine.end() == 0
    assert machine.descendants() == []


async def test_a_back_end_gets_in_with_the_key_of_the_folder(machine: Machine) -> None:
    key = (machine.home / "api-key").read_text()
    address = f"http://127.0.0.1:{machine.ports.rpartition(',')[2]}/api/v1"
    assert machine.said(f"Back ends ask {address} with the key in {machine.home.absolute() / 'api-key'}") == 1
    async with httpx.AsyncClient() as client:
        asked = await client.get(f"{address}/census", headers={"Authorization": f"Bearer {key}"})
        stranger = await client.get(f"{address}/census", headers={"Authorization": "Bearer another"})
    assert (asked.status_code, stranger.status_code) == (200, 401)
    assert (machine.home / "api-key").stat().st_mode & 0o077 == 0


async def test_everything_dies_with_it_when_it_is_killed(machine: Machine) -> None:
    machine.end(signal.SIGKILL)
    await eventually(lambda: machine.descendants() == [])


async def test_a_service_that_dies_is_named_and_started_again(machine: Machine) -> None:
    before = machine.pid_of("connection-1")
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: machine.said("connection-1 is ready") == 2, within_s=30)
    assert machine.said("connection-1 was killed by signal 9") == 1
    assert machine.pid_of("connection-1") != before


async def test_a_dead_redis_master_is_replaced_and_comes_back(machine: Machine) -> None:
    # A data server works in its folder; nothing else of ours does.
    (pid,) = machine.working_in("redis/redis-1")
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: machine.said("redis-1 is back") == 1, within_s=40)
    doctor = continuo(machine.home, "doctor")
    assert doctor.returncode == 0, doctor.stdout


async def test_a_second_one_in_the_same_folder_is_refused_in_one_line(machine: Machine) -> None:
    second = continuo(machine.home, "up")
    assert second.returncode == 1
    assert second.stdout.splitlines() == [
        f"continuo up: another `continuo up` is running in {machine.home.absolute()}"
    ]


async def test_the_doctor_finds_the_redis_it_started_well(machine: Machine) -> None:
    doctor = continuo(machine.home, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "BAD" not in doctor.stdout


async def test_a_port_in_use_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        first, second, third, fourth = free_ports(4)
        ports = f"{first},{second},{third}"
        ended = continuo(tmp_path, "up", "--ports", f"{first},{port},{second},{third}")
        without_api = continuo(tmp_path, "up", "--ports", f"{ports},{fourth},{port}")
    assert ended.returncode == without_api.returncode == 1
    said = ended.stdout.splitlines()[-1]
    assert said.startswith(f"continuo up: connection-2: port {port} is in use; --ports")
    said = without_api.stdout.splitlines()[-1]
    assert said.startswith(f"continuo up: the API: port {port} is in use; --ports")
    assert not ended.stderr


async def test_a_redis_that_is_pointed_at_is_used_and_left_running(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / "elsewhere") as servers:
        machine = Machine(tmp_path / "home", {"CONTINUO_REDIS_SENTINELS": servers.sentinels})
        try:
            await machine.ready()
            assert len(machine.descendants()) == 4
        finally:
            assert machine.end() == 0
        assert all(servers.child(name).alive for name in servers.names)
