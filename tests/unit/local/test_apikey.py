"""`continuo apikey`: the key it tells is the one its line lets in."""

from pathlib import Path

import pytest

from services.connection.api.keys import Keys
from services.local.cli import main


def told(capsys: pytest.CaptureFixture[str], name: str) -> tuple[str, str]:
    assert main(["apikey", name]) == 0
    said = capsys.readouterr()
    return said.err.splitlines()[0].rpartition(": ")[2], said.out


def test_the_key_told_is_let_in_by_the_line_told_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, line = told(capsys, "billing")
    other, other_line = told(capsys, "billing")
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n  {line.strip()}   # billing\n")
    keys = Keys(file)
    assert keys.holder(f"Bearer {key}") == keys.holder(f"bearer  {key} ") == "billing"
    assert keys.holder(f"Bearer {other}") == keys.holder(f"Basic {key}") == keys.holder("") == ""
    file.write_text(line + other_line)  # as `>>` would
    assert keys.holder(f"Bearer {other}") == "billing"
    assert key not in line
    assert len(key) > 40


@pytest.mark.parametrize("name", ["", "two words", "a" * 33, "a:b", "name@here"])
def test_what_cannot_name_a_key_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["apikey", name])
    assert "is no name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["x", "billing", f"billing:{'0' * 63}", f"billing:{'g' * 64}", f":{'0' * 64}", f"a b:{'0' * 64}", "é:1"],
)
def test_a_line_that_is_none_is_counted_and_lets_nobody_in(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{line}\n")
    keys = Keys(file)
    assert keys.read() == []
    assert keys.finding().facts == {"malformed_lines": "1", "malformed": 1}
