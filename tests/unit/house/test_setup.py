""".ci/setup: what it says when the packages cannot be fetched. pip is a stand-in that fails as it would."""

import shutil
import subprocess
from pathlib import Path

HOUSE = Path(__file__).parents[3]
PIP = """#!/bin/bash
[[ $* == *--version* ]] && exit 0
echo "ERROR: no matching distribution" >&2
exit 1
"""


def test_without_a_network_the_last_line_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(HOUSE / ".ci/setup", tmp_path / ".ci/setup")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP)
    python.chmod(0o755)
    done = subprocess.run([tmp_path / ".ci/setup"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2] == "ERROR: no matching distribution"
    assert "needs a network" in done.stderr.splitlines()[-1]
    assert not (tmp_path / ".venv/.installed").exists()
