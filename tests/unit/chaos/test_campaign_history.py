"""A history's files: read as written, half lines of the killed forgiven, anything else an error."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.checker import main
from tests.chaos.history import HistoryError, load, save
from tests.chaos.records import Life, Pub, Replaced
from tests.support.planted import device, find
from tests.support.sound_history import story

SOUND = story()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(SOUND, tmp_path)
    return tmp_path


def test_a_history_is_read_as_it_was_written(folder: Path):
    assert load(folder) == SOUND


def test_a_master_that_was_replaced_for_no_fault_stands_in_the_history(folder: Path):
    replaced = Replaced(5.0, "redis.sentinel.isolate", "redis-2")
    save(replace(SOUND, replaced=(replaced,)), folder)
    assert load(folder).replaced == (replaced,)


def test_the_half_line_of_a_killed_process_is_left_out(folder: Path):
    file = folder / "devices" / "ben-phone.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    assert load(folder).devices["ben-phone"] == SOUND.devices["ben-phone"][:-1]


def test_the_next_life_may_stand_right_behind_the_half_line_of_the_last(folder: Path):
    file = folder / "devices" / "ben-phone.jsonl"
    life = {"t": 5.0, "kind": "life", "device": "ben-phone", "user": "ben", "life": 2, "server": 0}
    half = '{"t": 4.0, "kind": "pub", "conversation": "c1", "offset": 7, "event": {"type": "message.cre'
    file.write_text(
        file.read_text() + half + json.dumps(life) + '\n{"t": 6.0, "kind": "connecting", "code": 0}\n'
    )
    lines = load(folder).devices["ben-phone"]
    assert lines[:-2] == SOUND.devices["ben-phone"]
    assert lines[-2] == Life(5.0, "ben-phone", "ben", 2)


@pytest.mark.parametrize(
    "line",
    [
        '{"t": 1.0, "kind": "pub", "conv',
        '{"t": 1.0, "kind": "unheard of"}',
        '{"t": 1.0, "kind": "connecting"}',
    ],
)
def test_a_line_in_the_middle_that_can_not_be_read_is_an_error_that_names_it(folder: Path, line: str):
    file = folder / "devices" / "ben-phone.jsonl"
    file.write_text(line + "\n" + file.read_text())
    with pytest.raises(HistoryError, match=r"ben-phone\.jsonl, line 1"):
        load(folder)


def test_fields_the_checker_does_not_need_may_stand_in_any_line(folder: Path):
    file = folder / "faults.jsonl"
    lines = [json.dumps({**json.loads(line), "more": 1}) for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    assert load(folder).faults == SOUND.faults


def test_the_command_ends_well_on_a_sound_history(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"no violations in [1-9]\d* events and [1-9]\d* acknowledgements of 3 devices\n", said
    )


def test_the_command_prints_violations_and_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = device(SOUND, "ana-phone", lambda lines: lines.pop(find(lines, Pub, message="q3")))
    save(broken, tmp_path)
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("lost: ")


def test_the_command_says_what_is_wrong_with_a_folder_that_holds_no_history(tmp_path: Path):
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
