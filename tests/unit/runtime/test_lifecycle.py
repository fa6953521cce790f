import asyncio
import os
import signal
import socket

import httpx
import pytest

from services.shared.runtime import lifecycle
from services.shared.runtime.health import routes
from services.shared.runtime.lifecycle import EXIT_CRASHED, EXIT_MISCONFIGURED, Lifecycle, live, run
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import SettingsError
from services.shared.runtime.side_server import SideServer


class Parts:
    """Notes what opens and closes."""

    def __init__(self, life: Lifecycle) -> None:
        self.life = life
        self.seen: list[str] = []

    async def open(self, name: str, *, closing: BaseException | None = None, hangs: bool = False) -> None:
        async def opened() -> str:
            self.seen.append(f"open {name}")
            return name

        async def close(part: str) -> None:
            if hangs:
                await asyncio.Event().wait()
            self.seen.append(f"close {part}")
            if closing:
                raise closing

        assert await self.life.open(name, opened(), close) == name


async def forever() -> None:
    await asyncio.Event().wait()


async def crash() -> None:
    raise RuntimeError("broken")


async def test_parts_close_in_reverse():
    parts = Parts(life := Lifecycle())
    for name in "abc":
        await parts.open(name)
    assert await life.close()
    assert parts.seen == ["open a", "open b", "open c", "close c", "close b", "close a"]


async def test_work_ends_before_what_it_stands_on_closes():
    parts = Parts(life := Lifecycle())
    await parts.open("bus")

    async def sweep() -> None:
        try:
            await forever()
        finally:
            parts.seen.append("sweep ended")

    life.work("sweep", sweep())
    await asyncio.sleep(0)
    assert await life.close()
    assert parts.seen == ["open bus", "sweep ended", "close bus"]


async def test_a_part_that_fails_to_close_does_not_keep_the_others_open():
    parts = Parts(life := Lifecycle())
    await parts.open("a")
    await parts.open("b", closing=RuntimeError("stuck"))
    assert not await life.close()
    assert parts.seen[-2:] == ["close b", "close a"]


async def test_a_part_that_hangs_is_left_behind_at_the_deadline():
    parts = Parts(life := Lifecycle(close_within_s=0.05))
    await parts.open("a", hangs=True)
    assert not await life.close()


async def test_a_failed_start_closes_what_was_open():
    parts = Parts(life := Lifecycle())

    async def start(_: Lifecycle) -> None:
        await parts.open("a")
        raise RuntimeError("no port")

    with pytest.raises(RuntimeError, match="no port"):
        await live(start, life)
    assert parts.seen == ["open a", "close a"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_cleanly(number: signal.Signals):
    life = Lifecycle()

    async def start(_: Lifecycle) -> None:
        life.work("forever", forever())
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)

    assert await live(start, life) == 0
    assert life.health.draining


async def test_a_second_signal_hurries_the_end_and_does_not_cut_it():
    life = Lifecycle()
    hurried = asyncio.Event()
    life.on_hurry(hurried.set)

    async def start(_: Lifecycle) -> None:
        life.closing("waits to be hurried", wait_for_it)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)

    async def wait_for_it() -> None:
        assert not hurried.is_set(), "the first signal hurries nobody"
        os.kill(os.getpid(), signal.SIGTERM)
        await hurried.wait()

    assert await live(start, life) == 0


async def test_who_asks_to_be_hurried_behind_the_second_signal_is_told_at_once():
    """A process that is told twice while it still opens its parts."""
    life, hurried = Lifecycle(), list[str]()
    life.on_hurry(lambda: hurried.append("opened early"))
    life.stop()
    assert life.hurry()
    life.on_hurry(lambda: hurried.append("opened late"))
    assert hurried == ["opened early", "opened late"]


async def test_a_third_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch):
    life, codes = Lifecycle(), list[int]()
    monkeypatch.setattr(os, "_exit", codes.append)
    for told in (0, 0, 1):
        lifecycle._on_signal(life, signal.SIGTERM)
        assert len(codes) == told
    assert codes == [128 + signal.SIGTERM]


async def test_a_crashed_task_ends_the_process_with_an_error():
    life = Lifecycle()

    async def start(_: Lifecycle) -> None:
        life.work("sweep", crash())

    assert await live(start, life) == EXIT_CRASHED
    assert life.health.crash == "sweep"
    assert not life.health.live


async def test_a_task_that_ends_well_ends_nothing():
    life = Lifecycle()
    await life.tasks.start("short", asyncio.sleep(0))
    assert not life.tasks.crashed.is_set()
    assert await life.close()


async def test_the_process_is_ready_only_between_start_and_stop():
    life = Lifecycle()
    seen: list[bool] = []

    async def start(_: Lifecycle) -> None:
        seen.append(life.health.ready)

        async def look_and_stop() -> None:
            seen.append(life.health.ready)
            life.stop()
            seen.append(life.health.ready)

        life.work("look", look_and_stop())

    await live(start, life)
    assert seen == [False, True, False]


def test_refused_settings_are_one_line_each_and_a_code_of_their_own(caplog: pytest.LogCaptureFixture):
    async def start(_: Lifecycle) -> None:
        raise SettingsError(["CONTINUO_PORT is 'x'; expected a whole number"])

    assert run("presence", start) == EXIT_MISCONFIGURED


def test_an_error_at_the_start_is_the_exit_code():
    async def start(_: Lifecycle) -> None:
        raise OSError("cannot listen on 127.0.0.1:80")

    assert run("presence", start) == EXIT_CRASHED


async def test_the_side_server_serves_health_until_it_is_closed():
    life = Lifecycle()
    pages = routes(life.health, Metrics().registry)
    opening = SideServer.open(pages, host="127.0.0.1", port=0, tasks=life.tasks)
    server = await life.open("side server", opening, SideServer.close)
    address = f"http://127.0.0.1:{server.port}/livez"
    async with httpx.AsyncClient() as client:
        assert (await client.get(address)).text == "alive"
        assert await life.close()
        with pytest.raises(httpx.ConnectError):
            await client.get(address)


async def test_a_port_in_use_is_named():
    life = Lifecycle()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            await SideServer.open([], host="127.0.0.1", port=port, tasks=life.tasks)
