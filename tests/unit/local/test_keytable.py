"""What `continuo doctor --keys` prints of what the inventory found."""

from services.local.keytable import MOST_NAMED, report
from services.shared.bus.key_faults import Count, Fault, Tally, Wrong
from services.shared.bus.key_table import ROWS


def test_a_sound_redis_is_a_line_for_each_kind_of_key_and_a_word():
    lines = list(report(Tally({ROWS[0]: Count(2, 2, 0, 1, 50), ROWS[1]: Count(3)})))
    assert [line.split() for line in lines[1:3]] == [
        [ROWS[0].pattern, "2", "100", "2", "0"],
        [ROWS[1].pattern, "3", "0", "0", "0"],
    ]
    assert lines[-1] == "5 keys, each with an owner and within its bounds"


def test_faults_are_named_and_where_there_are_many_counted():
    many = [Fault(f"key-{number}", Wrong.UNKNOWN) for number in range(MOST_NAMED + 7)]
    lines = list(report(Tally(faults=[Fault("draft", Wrong.STAYS, "why"), *many])))
    assert "BAD   without TTL: draft (why)" in lines
    assert "BAD   unknown: key-0" in lines
    assert "      and 7 more unknown" in lines
    assert lines[-1] == f"0 known keys, {MOST_NAMED + 8} faults"
