"""The file of keys: what stands beyond its bound, and what is no file."""

import os
from pathlib import Path

import pytest

from services.connection.api.keys import Keys
from services.connection.bearer import FILE_BYTES, UnreadableError
from services.local.apikey import line

KEY = "a key of the tests"
SHOWN = f"Bearer {KEY}"
ITSELF = f"{line('billing', KEY)}\n"


@pytest.mark.parametrize(
    ("before", "behind", "known", "told"),
    [
        ("", "", True, {}),
        ("", "#" * FILE_BYTES, True, {"read_bytes": FILE_BYTES}),
        ("#" * (FILE_BYTES - len(ITSELF) - 1) + "\n", "", True, {}),
        ("#" * (FILE_BYTES - len(ITSELF) + 1) + "\n", "", False, {"read_bytes": FILE_BYTES}),
        ("#" * FILE_BYTES + "\n", "", False, {"read_bytes": FILE_BYTES}),
    ],
)
def test_a_key_beyond_what_is_read_lets_nobody_in_and_that_is_told(
    tmp_path: Path, before: str, behind: str, *, known: bool, told: dict[str, int]
) -> None:
    file = tmp_path / "keys"
    file.write_text(before + ITSELF + behind)
    keys = Keys(file)
    assert keys.holder(SHOWN) == ("billing" if known else "")
    finding = keys.finding()
    assert finding.ok == (not told)
    assert told.items() <= dict(finding.facts).items()


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    os.mkfifo(file)
    keys = Keys(file)
    with pytest.raises(UnreadableError):
        keys.holder(SHOWN)
    assert not keys.finding().ok
