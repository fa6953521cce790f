import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.shared.runtime.logging import bind, bound, configure, get_logger


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
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


def test_an_error_carries_its_traceback_in_one_line(written: io.StringIO):
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        get_logger("here").exception("task crashed")
    (line,) = lines(written)
    assert "RuntimeError: broken" in str(line["exception"])


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
