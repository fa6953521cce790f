"""The judge of presence under a crowd: late leaves, lost ones, doubled ones and flaps are caught, and time in
which the presence service could not run is no fault.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.presence_judge import Judge, Verdict

C = "c"
KILLED, FREED, LEFT, NEXT = 100.0, 107.0, 118.0, 140.0
LOST: dict[str, Any] = {
    "name": "lost",
    "began": 95.0,
    "killed": KILLED,
    "freed": FREED,
    "users": ["lost-0", "lost-1"],
}
Line = Mapping[str, Any]


def follows(t: float) -> list[Line]:
    reply = {"epoch": "e", "offset": 0, "recovered": False, "was_recovering": False, "open": []}
    return [{"t": t, "kind": "connected"}, {"t": t, "kind": "subscribed", "conversation": C, **reply}]


def elsewhere(t: float) -> list[Line]:
    return [{**line, "conversation": "another"} if "conversation" in line else line for line in follows(t)]


def left(t: float, user: str) -> Line:
    return {"t": t, "kind": "leave", "conversation": C, "user": user}


def away(t: float) -> Line:
    return {"t": t, "kind": "connecting", "code": 1}


def rounds(*, held: float = 0.0, announces: Mapping[float, int] | None = None) -> list[Line]:
    """One a second from 90 to 160; one that begins at 110 is `held` for so long."""
    announces = announces if announces is not None else {LEFT: 2}
    found: list[Line] = []
    for number in range(70):
        t = 90.0 + number + (held if number >= 20 else 0.0)
        announced = sum(count for at, count in announces.items() if t - 1 < at <= t)
        found.append({"t": t, "kind": "swept", "began": t, "well": True, "freed": 0, "announced": announced})
    return found


def judged(
    folder: Path,
    device: Sequence[Line],
    *,
    steps: Sequence[Line] = (LOST,),
    sweeps: Sequence[Line] | None = None,
    more: Mapping[str, Sequence[Line]] = {},
) -> Verdict:
    """What is found where one device of somebody who stays noted this, and others so."""
    lines = {
        "device-0": [{"t": 1.0, "kind": "life", "device": "device-0", "user": "user-0"}, *device],
        "device-1": [{"t": 1.0, "kind": "life", "device": "device-1", "user": "user-1"}, *elsewhere(2.0)],
    }
    for name, noted in more.items():
        user = name.replace("device", "user")
        lines[name] = [{"t": 1.0, "kind": "life", "device": name, "user": user}, *noted]
    for name, noted in lines.items():
        _write(folder / "devices" / f"{name}.jsonl", noted)
    _write(folder / "steps.jsonl", [{"t": 0.0, "kind": "step", **step} for step in steps])
    _write(folder / "sweeps" / "presence-1.jsonl", sweeps if sweeps is not None else rounds())
    return Judge(folder).verdict()


def _write(file: Path, lines: Sequence[Line]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


TOLD = (left(LEFT, "lost-0"), left(LEFT, "lost-1"))


def test_leaves_in_time_and_once_are_no_fault(tmp_path: Path) -> None:
    found = judged(tmp_path, [*follows(2.0), *TOLD])
    assert found.faults == []
    assert "2 leaves, each told once, the last after 18.0 s (limit 20 s" in found.lines[0]


@pytest.mark.parametrize(("held", "late"), [(0.0, True), (6.0, False)])
def test_a_late_leave_is_a_fault_unless_presence_could_not_run(
    tmp_path: Path, held: float, *, late: bool
) -> None:
    sweeps = rounds(held=held, announces={125.0: 2})
    found = judged(tmp_path, [*follows(2.0), *TOLD], sweeps=sweeps)
    assert any(each.startswith("too late") for each in found.faults) == late


def test_connections_that_stay_for_too_long_are_a_fault(tmp_path: Path) -> None:
    found = judged(tmp_path, [*follows(2.0), *TOLD], steps=[{**LOST, "freed": 112.0}])
    assert [each[:9] for each in found.faults] == ["too late:"]


def test_a_leave_told_twice_or_not_at_all_is_a_fault(tmp_path: Path) -> None:
    found = judged(tmp_path, [*follows(2.0), TOLD[0], left(119.0, "lost-0")])
    assert found.faults == [
        "lost: nobody was told that lost-1 left",
        "lost: the leave of lost-0 was told twice",
    ]


def test_leaves_that_presence_did_not_announce_in_the_step_are_missed(tmp_path: Path) -> None:
    found = judged(tmp_path, [*follows(2.0), *TOLD], sweeps=rounds(announces={LEFT: 1}))
    assert found.faults == ["lost: presence announced 1 of 2 leaves"]


@pytest.mark.parametrize(("back", "flap"), [(109.0, True), (115.0, False)])
def test_who_stays_never_left_unless_it_was_away_for_the_grace(
    tmp_path: Path, back: float, *, flap: bool
) -> None:
    moved = [*follows(2.0), away(104.0), *follows(back), left(back + 1, "user-0"), *TOLD]
    found = judged(tmp_path, moved)
    assert bool(found.faults) == flap
    assert any("1 users were away for longer" in line for line in found.lines) != flap


def test_a_leave_told_while_no_presence_service_ran_is_a_fault(tmp_path: Path) -> None:
    dead = {"name": "dead", "began": 95.0, "died": 100.0, "back": 114.0, "users": ["quit-0"]}
    sweeps = [one for one in rounds(announces={120.0: 1}) if not 100.0 <= one["t"] < 115.0]
    sound = judged(tmp_path / "a", [*follows(2.0), left(120.0, "quit-0")], steps=[dead], sweeps=sweeps)
    assert sound.faults == []
    early = judged(tmp_path / "b", [*follows(2.0), left(112.0, "quit-0")], steps=[dead], sweeps=sweeps)
    assert early.faults == ["dead: 1 leaves were told while no presence service ran"]


def test_a_restart_that_moved_nobody_and_a_failover_that_is_never_right_are_faults(tmp_path: Path) -> None:
    rolling = {"name": "rolling", "began": 95.0, "restarted": 110.0}
    wrong = {"name": "failover", "began": 120.0, "healed": 125.0, "right": 137.0}
    found = judged(tmp_path, [*follows(2.0), away(100.0), *follows(101.0)], steps=[rolling, wrong])
    assert [each.split(":")[0] for each in found.faults] == ["rolling", "too late"]
    assert "device-1" in found.faults[0]


def test_a_device_that_followed_and_did_not_hear_a_leave_is_a_fault(tmp_path: Path) -> None:
    other = [*follows(2.0), TOLD[0]]
    found = judged(tmp_path / "a", [*follows(2.0), *TOLD], more={"device-2": other})
    assert found.faults == ["lost: device-2 did not hear that lost-1 left"]
    moved = [*follows(2.0), away(LEFT - 1), TOLD[0]]
    assert judged(tmp_path / "b", [*follows(2.0), *TOLD], more={"device-2": moved}).faults == []


@pytest.mark.parametrize(("count", "fault"), [(1, False), (3, True)])
def test_many_who_are_kept_away_for_the_grace_are_a_fault_of_the_house(
    tmp_path: Path, count: int, *, fault: bool
) -> None:
    rolling = {"name": "rolling", "began": 95.0, "restarted": 130.0}
    kept = {
        f"device-{n}": [
            *follows(2.0),
            away(100.0),
            *follows(120.0),
        ]
        for n in range(2, 2 + count)
    }
    hearing = [*follows(2.0), *(left(113.0, f"user-{n}") for n in range(2, 2 + count))]
    hearing += [away(125.0), *follows(126.0)]
    found = judged(tmp_path, hearing, steps=[rolling], more=kept)
    told = [each for each in found.faults if "could not come back" in each]
    assert bool(told) == fault
    assert f"{count} users were said to have left" in found.lines[0]


@pytest.mark.parametrize(
    ("ended", "found"),
    [
        ({"t": 100.4, "code": 3500}, []),
        ({"t": 102.5, "code": 3500}, ["revoked too late"]),
        ({"t": 100.4, "code": 0}, ["revoked"]),
    ],
)
def test_who_is_revoked_is_gone_in_time_and_for_that_reason(
    tmp_path: Path, ended: Line, found: Sequence[str]
) -> None:
    revoked = {"name": "revoked", "began": 95.0, "asked": {"revoked-0": 100.0}}
    more = {"revoked-0": [*follows(2.0), {"kind": "disconnected", **ended}]}
    told = judged(tmp_path, follows(2.0), steps=[revoked], more=more)
    assert [each.partition(":")[0] for each in told.faults] == found
    assert told.lines[0].startswith("tokens of 1 users revoked")
