"""A dead process is accounted for in one line."""

import json

from services.local.lastwords import reason


def _logged(level: str, event: str, **facts: str) -> str:
    return json.dumps({"level": level, "event": event, **facts})


def test_the_error_counts_also_when_the_process_went_on_logging_while_it_closed() -> None:
    lines = [
        _logged("info", "started"),
        _logged("error", "task crashed", task="sweep", error="BusUnavailable", said="Redis did not answer"),
        _logged("info", "closed", part="bus"),
    ]
    assert reason(lines) == "task crashed: BusUnavailable: Redis did not answer: sweep"


def test_a_refused_setting_is_quoted() -> None:
    lines = [_logged("error", "setting refused", fault="CONTINUO_PORT is 'x'; expected a whole number")]
    assert reason(lines) == "setting refused: CONTINUO_PORT is 'x'; expected a whole number"


def test_plain_text_speaks_for_itself() -> None:
    lines = ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'uvicorn'", ""]
    assert reason(lines) == "ModuleNotFoundError: No module named 'uvicorn'"


def test_a_log_without_an_error_gives_its_last_line() -> None:
    assert reason([_logged("info", "started")]) == "started"
    assert reason([]) == "no output"
