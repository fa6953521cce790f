"""What a child that ended is said to have died of."""

import sys
from pathlib import Path

from services.local.processes import Child


async def test_a_child_is_not_said_to_have_died_of_what_an_earlier_run_died_of(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text('{"level": "error", "event": "an older fault"}\n')
    child = Child("child", [sys.executable, "-c", "raise SystemExit('what is wrong now')"], log)
    child.start()
    await child.ended(20)
    assert child.last_words() == "what is wrong now"
