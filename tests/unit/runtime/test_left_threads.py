"""How a process ends whose threads do not: real processes; and what a full pool of threads keeps waiting."""

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from services.shared.runtime.own_threads import joined

PROGRAM = """
import sys, threading, asyncio
from services.shared.runtime.lifecycle import run
from services.shared.runtime import logging

async def start(life):
    logging.configure("test", node="n", level="info", style="json")
    if "stuck" in sys.argv:
        asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    if "fails" in sys.argv:
        raise RuntimeError("broken")
    life.stop()

sys.exit(run("test", start, leave_within_s=0.2 if "stuck" in sys.argv else 60.0))
"""


@pytest.mark.parametrize(("how", "code"), [("well", 0), ("fails", 1)])
@pytest.mark.parametrize("threads", ["stuck", "none"])
def test_a_process_ends_with_its_own_exit_code_and_says_what_it_leaves(
    how: str, code: int, threads: str
) -> None:
    argv = [sys.executable, "-c", PROGRAM, how, threads]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == code
    lines = [json.loads(line) for line in (ended.stdout + ended.stderr).splitlines()]
    told = [line["event"] for line in lines]
    assert "ended" in told or how == "fails"
    assert ("process could not start or went down" in told) == (how == "fails")
    left = [line["threads"] for line in lines if line["event"] == "threads left behind"]
    assert left == ([1] if threads == "stuck" else [])


def test_a_pool_that_is_full_of_a_graphs_functions_keeps_no_name_and_no_thread_of_ours_waiting() -> None:
    release = threading.Event()

    async def look_up() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(pool := ThreadPoolExecutor(1))
        busy = pool.submit(release.wait, 60)
        try:
            async with asyncio.timeout(30):
                assert await loop.getaddrinfo("localhost", 80)
                thread = threading.Thread(target=int)
                thread.start()
                await joined(thread, 30)
            assert not busy.done()
        finally:
            release.set()

    uvloop.run(look_up())
