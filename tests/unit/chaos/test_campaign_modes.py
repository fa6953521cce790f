"""Every fault has a meaning, and the page of failure modes says what was measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.shared.runtime.metrics import PREFIX
from tests.chaos.faultpoints import POINTS, find
from tests.chaos.faults import FAULTS, deck
from tests.chaos.modes import MODES, mode_of
from tests.chaos.page import FIGURES, LONG, lacking, page
from tests.chaos.report import Row, Summary, read

HOUSE = Path(__file__).parents[3]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_belongs_to_a_mode(fault: str) -> None:
    assert mode_of(fault)


def test_every_metric_of_a_mode_is_in_the_table() -> None:
    page = (HOUSE / "docs/metrics.md").read_text()
    assert [name for mode in MODES for name in mode.metrics if f"`{PREFIX}{name}`" not in page] == []


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_every_fault_point_is_where_it_was(point) -> None:
    owner, name = find(point.target)
    assert callable(getattr(owner, name))


def test_every_step_that_a_service_takes_has_a_fault_point() -> None:
    assert {point.step for point in POINTS} == set(range(1, 10))  # the tenth is the device's own


def test_a_deck_plays_every_kind_before_any_comes_again() -> None:
    import random  # noqa: PLC0415 - only here

    drawn = deck(2 * len(FAULTS), random.Random(1))
    assert sorted(drawn[: len(FAULTS)]) == sorted(drawn[len(FAULTS) :]) == sorted(FAULTS)


def test_the_page_of_failure_modes_is_fresh() -> None:
    command = [sys.executable, "-m", "tests.chaos.page", "--check"]
    checked = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_no_violation_stands_in_the_page() -> None:
    page = (HOUSE / "docs/failure-modes.md").read_text()
    assert re.search(r"^\d+ faults \(seed .+\): no violation\.$", page, re.MULTILINE)


def test_the_long_form_has_200_faults_and_every_kind() -> None:
    whole = Summary("7", [Row(fault, 5, 1.0, 2.0, 0, [1.0, 2.0]) for fault in FAULTS], [])
    assert lacking(whole) == []
    few = Summary("7", [Row(fault, 1, 1.0, 2.0, 0, [1.0]) for fault in FAULTS if fault != "worker.kill"], [])
    assert lacking(few) == [f"only {len(FAULTS) - 1} faults", "no worker.kill"]
    assert "not played in this run: `worker.kill`\n" in page(few)


def test_every_pause_of_a_failover_and_the_bars_stand_in_the_page() -> None:
    row = Row("redis.failover.planned", 2, 1.0, 2.0, 0, [2100.0, 900.0])
    told = page(Summary("7", [row], [], ["a planned failover: p95 2.1 s of 2 (bar 3 s)"]))
    assert "`redis.failover.planned`, every pause: 0.9, 2.1 s" in told
    assert "a planned failover: p95 2.1 s of 2 (bar 3 s)" in told


def test_long_figures_that_are_kept_lack_no_kind() -> None:
    figures = read(FIGURES)
    lacks = lacking(figures) if figures.faults >= LONG else []
    assert lacks == [], "kept figures of 200 faults and more must have every kind; shorter ones are let pass"


def test_nothing_is_said_to_be_shown_by_a_campaign_that_did_not_play_it() -> None:
    assert "(0 times)" not in (HOUSE / "docs/failure-modes.md").read_text()
