"""The campaign's table: exact percentiles, every injection counted, every violation blamed once."""

from pathlib import Path

import pytest

from tests.chaos.records import Fault, FaultOver
from tests.chaos.report import (
    AT_THE_END,
    BEFORE_ANY,
    Row,
    as_markdown,
    as_text,
    percentile,
    read,
    summarize,
    write,
)
from tests.chaos.violations import Kind, Violation

FAULTS = [
    Fault(10.0, "worker.kill", 1, "worker-1"),
    FaultOver(12.0, 1, "worker-1", 300.0),
    Fault(20.0, "redis.master.kill", 2, "redis-1"),
    FaultOver(24.0, 2, pause_ms=2100.0),
    Fault(30.0, "worker.kill", 3, "worker-2"),
    FaultOver(31.0, 3, "worker-2", 100.0),
    Fault(40.0, "link.cut", 4, "replica"),
]
VIOLATIONS = [
    Violation(Kind.LOST, "c1", "ana-phone", "the device lacks it", 25.0),
    Violation(Kind.REPEATED, "c1", "ana-phone", "it came again", 5.0),
    Violation(Kind.TWO_FINALS, "c1", "the house", "turn t1 finished at [3, 9]"),
]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.99, 7.0),
        ([3.0, 1.0, 2.0, 4.0], 0.5, 2.0),
        ([*map(float, range(1, 101))], 0.99, 99.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float | None):
    assert percentile(values, share) == expected


def test_each_fault_has_its_injections_pauses_and_violations():
    rows = {row.fault: row for row in summarize(FAULTS, VIOLATIONS).rows}
    assert rows["worker.kill"] == Row("worker.kill", 2, 100.0, 300.0, 0, [300.0, 100.0])
    assert rows["redis.master.kill"] == Row("redis.master.kill", 1, 2100.0, 2100.0, 1, [2100.0])
    assert rows["link.cut"] == Row("link.cut", 1, None, None, 0)


def test_a_fault_that_came_to_nothing_is_not_counted():
    void = [Fault(50.0, "step.kill", 5), FaultOver(60.0, 5, "", 9000.0)]
    assert summarize([*FAULTS, *void], VIOLATIONS) == summarize(FAULTS, VIOLATIONS)


def test_violations_outside_every_fault_have_rows_of_their_own():
    rows = {row.fault: row.violations for row in summarize(FAULTS, VIOLATIONS).rows}
    assert (rows[AT_THE_END], rows[BEFORE_ANY]) == (1, 1)


def test_the_table_tells_every_fault_the_sum_and_what_broke():
    summary = summarize(FAULTS, VIOLATIONS, seed="7")
    text, page = as_text(summary), as_markdown(summary)
    assert text.splitlines()[0].split() == [
        "fault",
        "times",
        "pause",
        "p50",
        "ms",
        "pause",
        "p99",
        "ms",
        "violations",
    ]
    assert "two finals: turn t1 finished at [3, 9] (the house)" in text
    assert "| redis.master.kill | 1 | 2100 | 2100 | 1 |" in page.splitlines()
    assert page.splitlines()[-1] == "| all | 4 |  |  | 3 |"
    assert len({line.count("|") for line in page.splitlines()}) == 1


def test_a_summary_is_read_as_it_was_written(tmp_path: Path):
    summary = summarize(FAULTS, VIOLATIONS, seed="7")
    write(summary, tmp_path / "summary.json")
    assert read(tmp_path / "summary.json") == summary
    assert summary.faults == 4
