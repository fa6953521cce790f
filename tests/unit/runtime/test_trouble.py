"""What goes on being wrong is told when it begins and when it ends."""

from structlog.testing import capture_logs

from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import MOST, Trouble, Troubles

log = get_logger("here")


def told(lines: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["event"], line.get("times")) for line in lines if line["log_level"] != "debug"]


def test_an_outage_is_two_lines_the_last_with_the_number_of_tries() -> None:
    with capture_logs() as lines:
        away = Trouble(log, "redis away", "redis back")
        away.over()
        for _ in range(50):
            away.met(error="BusUnavailable")
        away.over()
        away.over()
        away.met(error="BusUnavailable")
    assert told(lines) == [("redis away", None), ("redis back", 50), ("redis away", None)]
    assert len(lines) == 52
    assert {line["log_level"] for line in lines} == {"warning", "info", "debug"}


def test_each_thing_in_trouble_is_told_by_itself_and_as_an_error_where_it_is_ours() -> None:
    with capture_logs() as lines:
        unreadable = Troubles(log, "journal unreadable", "journal readable again", severe=True)
        assert not unreadable
        for key in ("a", "b", "a"):
            unreadable.met(key, channel=key)
        assert unreadable
        unreadable.over("a", channel="a")
        unreadable.over("c", channel="c")
    assert [(line["event"], line["channel"]) for line in lines if line["log_level"] != "debug"] == [
        ("journal unreadable", "a"),
        ("journal unreadable", "b"),
        ("journal readable again", "a"),
    ]
    assert lines[0]["log_level"] == "error"


def test_what_is_remembered_is_bounded() -> None:
    with capture_logs():
        unreadable = Troubles(log, "journal unreadable", "journal readable again")
        for key in range(2 * MOST):
            unreadable.met(key)
    assert len(unreadable._met) == MOST
