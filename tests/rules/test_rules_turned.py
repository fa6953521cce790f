"""The cases can fail: each turned round, so that it expects the contrary, is noticed by promtool."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.rules.cases import CASES
from tests.rules.run import as_test, whole
from tests.support.prometheus import programs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("every", sorted({case.every for case in CASES}))
def test_a_case_that_expects_the_contrary_is_noticed(every: str, tmp_path: Path) -> None:
    tests = [as_test(replace(case, fires=not case.fires)) for case in CASES if case.every == every]
    written = tmp_path / "turned.yaml"
    written.write_text(yaml.safe_dump(whole(every, tests)))
    command = [programs() / "promtool", "test", "rules", written]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    noticed = said.stdout + said.stderr
    assert said.returncode == 1
    assert [test["name"] for test in tests if f"name: {test['name']}," not in noticed] == []
