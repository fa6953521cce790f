"""A run's notes on disk: read and written whole.

A process that is killed may leave half a line; the next one that writes into the same file goes on right
behind it. Anything else that can't be read is an error: a checker that skips what it does not know proves
nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.records import DeviceLine, Fault, FaultOver, Life, Line, Ran, Replaced, Stored, Truth

MASTERS = "masters.jsonl"


class HistoryError(Exception):
    """A history that is not written as agreed; the message names file and line."""


@dataclass(frozen=True, slots=True)
class History:
    """A whole run. devices and runs: lines by file, in the order of the file."""

    truth: Truth
    devices: Mapping[str, tuple[DeviceLine, ...]] = field(default_factory=dict)
    runs: Mapping[str, tuple[Ran | Stored, ...]] = field(default_factory=dict)
    faults: tuple[Fault | FaultOver, ...] = ()
    replaced: tuple[Replaced, ...] = ()


def load(folder: Path) -> History:
    """Read a history. Raises HistoryError."""
    truth = folder / "truth.json"
    try:
        told = msgspec.json.decode(truth.read_bytes(), type=Truth)
    except (OSError, msgspec.MsgspecError) as error:
        raise HistoryError(f"{truth}: {error}") from error
    return History(
        told,
        load_devices(folder),
        {file.stem: tuple(_lines(file, Ran | Stored)) for file in sorted((folder / "runs").glob("*.jsonl"))},
        tuple(_lines_if_any(folder / "faults.jsonl", Fault | FaultOver)),
        tuple(_lines_if_any(folder / MASTERS, Replaced)),
    )


def load_devices(folder: Path) -> dict[str, tuple[DeviceLine, ...]]:
    """Read what devices noted. Raises HistoryError."""
    return {
        file.stem: tuple(_lines(file, DeviceLine)) for file in sorted((folder / "devices").glob("*.jsonl"))
    }


def save(history: History, folder: Path) -> None:
    """Write a history anew."""
    for name, files in (("devices", history.devices), ("runs", history.runs)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, lines in files.items():
            _write(folder / name / f"{file}.jsonl", lines)
    _write(folder / "faults.jsonl", history.faults)
    _write(folder / MASTERS, history.replaced)
    (folder / "truth.json").write_bytes(msgspec.json.encode(history.truth))


def _write(file: Path, lines: Iterable[Line]) -> None:
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _lines_if_any(file: Path, kinds: Any) -> list[Any]:
    return _lines(file, kinds) if file.exists() else []


def _lines(file: Path, kinds: Any) -> list[Any]:
    decoder = msgspec.json.Decoder(kinds)
    lines = file.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(decoder.decode(line))
        except msgspec.MsgspecError as error:
            if (behind := _behind_half_a_line(line)) is not None:
                found.append(behind)
            elif number < len(lines):
                raise HistoryError(f"{file}, line {number}: {error}") from error
    return found


def _behind_half_a_line(line: bytes) -> Life | None:
    """The beginning of the next life, where the last one was killed in the middle of a line."""
    decoder, start = msgspec.json.Decoder(Life), 0
    while (start := line.find(b"{", start + 1)) > 0:
        try:
            return decoder.decode(line[start:])
        except msgspec.MsgspecError:
            continue
    return None
