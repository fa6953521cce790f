import asyncio
import errno
import gc
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog

from services.shared.model.errors import BusUnavailable
from services.shared.runtime.discretion import HOUSE, hear_python
from services.shared.runtime.logging import MUTE, QUIET, bind, bound, configure, get_logger


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = warnings.showwarning, threading.excepthook, sys.unraisablehook
    levels = {name: logging.getLogger(name).level for name in (*HOUSE, *QUIET, *MUTE)}
    yield
    warnings.showwarning, threading.excepthook, sys.unraisablehook = hooks
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def written() -> io.StringIO:
    stream = io.StringIO()
    configure("connection", node="n1", stream=stream)
    return stream


def lines(written: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_is_json_with_its_facts_and_its_process(written: io.StringIO):
    get_logger("here").info("lease lost", conversation="c1")
    (line,) = lines(written)
    assert line["event"] == "lease lost"
    assert (line["service"], line["node"], line["logger"]) == ("connection", "n1", "here")
    assert (line["level"], line["conversation"]) == ("info", "c1")
    assert str(line["time"]).endswith("Z")


def test_bound_facts_are_on_every_line_of_the_block(written: io.StringIO):
    bind(connection="k1")
    with bound(turn="t1"):
        get_logger("here").info("one")
    get_logger("here").info("two")
    one, two = lines(written)
    assert (one["connection"], one["turn"]) == ("k1", "t1")
    assert two["connection"] == "k1"
    assert "turn" not in two


@pytest.mark.parametrize("key", ["text", "body", "token", "password"])
def test_what_people_said_and_what_lets_others_in_is_withheld(written: io.StringIO, key: str):
    get_logger("here").warning("refused", **{key: "swordfish"})
    assert "swordfish" not in written.getvalue()
    assert lines(written)[0][key] == "<withheld, 9 long>"


def test_foreign_libraries_take_the_same_road(written: io.StringIO):
    logging.getLogger("some.library").warning("lost %s", "patience")
    (line,) = lines(written)
    assert (line["event"], line["service"], line["logger"]) == ("lost patience", "connection", "some.library")


def test_an_error_is_told_by_types_and_places_and_its_text_only_where_that_is_ours(written: io.StringIO):
    for raised in (
        RuntimeError("swordfish"),
        BusUnavailable("Redis did not answer"),
        ConnectionError("swordfish"),
        OSError(errno.ENOSPC, "swordfish"),
    ):
        try:
            raise raised
        except (RuntimeError, BusUnavailable, OSError):
            get_logger("here").exception("task crashed")
    told = lines(written)
    assert [line["error"] for line in told] == [
        "RuntimeError",
        "BusUnavailable",
        "ConnectionError",
        "OSError",
    ]
    assert all("test_logging.py" in str(line["frames"]) for line in told)
    said = [line.get("said") for line in told]
    assert said == [None, "Redis did not answer", None, os.strerror(errno.ENOSPC)]
    assert "swordfish" not in written.getvalue()


def test_an_exception_nobody_heard_is_told_without_its_text(written: io.StringIO):
    async def quoting() -> None:
        raise ValueError("swordfish")

    async def whole() -> None:
        task = asyncio.ensure_future(quoting())
        await asyncio.wait({task})
        del task
        gc.collect()

    asyncio.run(whole())
    (line,) = lines(written)
    assert (line["event"], line["error"]) == ("Task exception was never retrieved", "ValueError")
    assert "swordfish" not in written.getvalue()


def test_what_python_prints_itself_takes_the_same_road_without_quoting(written: io.StringIO):
    def quoting() -> None:
        raise ValueError("swordfish")

    class Falling:
        def __del__(self) -> None:
            quoting()

    hear_python()
    shown = warnings.showwarning
    thread = threading.Thread(target=quoting)
    thread.start()
    thread.join()
    falling = Falling()
    del falling
    with warnings.catch_warnings():
        warnings.showwarning = shown
        warnings.simplefilter("always")
        warnings.warn("swordfish", UserWarning, stacklevel=1)
    crashed, fell, warned = lines(written)
    assert (crashed["event"], crashed["error"]) == ("thread crashed", "ValueError")
    assert (fell["event"], fell["error"]) == ("exception not raised", "ValueError")
    assert (warned["event"], warned["category"]) == ("python warned", "UserWarning")
    assert "test_logging.py" in str(warned["place"])
    assert "swordfish" not in written.getvalue()


def test_strangers_are_told_by_their_places_and_nobody_foreign_below_info():
    stream = io.StringIO()
    configure("conversation", level="debug", stream=stream, trusted=["redis"])
    logging.getLogger("langgraph.pregel").info("Retrying after swordfish")
    logging.getLogger("redis.asyncio").info("up")
    logging.getLogger("openai").debug("Request: swordfish")
    get_logger("services.x").debug("looked")
    told = lines(stream)
    assert [line["event"] for line in told] == ["a library spoke", "up", "looked"]
    assert "test_logging.py:" in str(told[0]["place"])
    assert "swordfish" not in stream.getvalue()


def test_lines_below_the_level_are_not_written():
    stream = io.StringIO()
    configure("connection", level="warning", stream=stream)
    get_logger("here").info("quiet")
    get_logger("here").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_the_console_style_is_for_people():
    stream = io.StringIO()
    configure("connection", style="console", stream=stream)
    get_logger("here").info("lease lost", conversation="c1")
    assert "lease lost" in stream.getvalue()
    assert "conversation=c1" in stream.getvalue()
