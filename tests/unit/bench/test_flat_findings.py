"""The verdict of `make flat`: each finding can miss by itself, and says so."""

import pytest

from tests.bench.flat_meter import MIB, Finding, at_most, exactly, grown, table


@pytest.mark.parametrize(
    ("finding", "holds"),
    [
        (grown("memory", 10 * MIB, 12 * MIB, 2.0), True),
        (grown("memory", 10 * MIB, 12 * MIB + 1, 2.0), False),
        (grown("memory", 10 * MIB, 5 * MIB, 2.0), True),
        (exactly("messages", 7, 7), True),
        (exactly("messages", 7, 8), False),
        (at_most("turns", 840, 840), True),
        (at_most("turns", 841, 840), False),
    ],
)
def test_a_finding_holds_up_to_its_bound_and_not_beyond(finding: Finding, holds: bool) -> None:
    assert finding.holds is holds
    assert table([finding]).splitlines()[1].endswith("yes" if holds else "NO")
