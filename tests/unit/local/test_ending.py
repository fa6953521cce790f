"""How a command ends when somebody asks it to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).parents[3]
COMMAND = """
import asyncio
from services.local.ending import ending_in_a_line, stops_on_signals

async def work() -> int:
    async with stops_on_signals():
        print("waiting\\n", end="", flush=True)
        await asyncio.Event().wait()
    return 0

raise SystemExit(ending_in_a_line("test", work()))
"""


def test_the_first_signal_ends_it_also_when_nobody_reads_what_it_says() -> None:
    reading, writing = os.pipe()
    command = subprocess.Popen([sys.executable, "-c", COMMAND], stdout=writing, cwd=HOUSE)
    os.close(writing)
    assert os.read(reading, 8) == b"waiting\n"
    os.close(reading)
    command.send_signal(signal.SIGTERM)
    try:
        command.wait(20)
    finally:
        command.kill()
        command.wait()
    assert command.returncode in {0, 120}, "120: Python could not flush its output at the end"
