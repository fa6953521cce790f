"""A worker among failures: what it writes into its log, what it loses, and how it goes on."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.runtime.logging import configure
from tests.support.open_bus import open_bus
from tests.support.workers import Talk, graph_of, worker_in_process

SECRET = "my PIN is 4711"


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process logs, as JSON; logging is as it was afterwards."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure("conversation", stream=stream, level="debug")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


async def test_what_an_exception_quotes_is_in_no_log_line(
    workers_redis: EmbeddedRedis, bus: Bus, written: io.StringIO
) -> None:
    def answer(state: ThreadState) -> ThreadState:
        raise ValueError(f"cannot answer {state['messages'][-1].text!r}")

    async with worker_in_process(workers_redis, graph_of(answer=answer)):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say(SECRET))
    assert (end["outcome"], "ValueError" in end["reason"]) == ("failed", True)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    [failed] = [line for line in lines if line["event"] == "execution failed"]
    assert failed["error"] == "ValueError"
    assert any(frame.endswith(":answer") and "test_worker_faults.py" in frame for frame in failed["frames"])
    assert SECRET not in written.getvalue()
