"""What the chat makes of the places that one can go back to."""

import pytest

from services.local.line import Line
from services.local.ways_back import Way, chosen, merged, shown


def test_places_of_several_agents_are_one_list_the_newest_first() -> None:
    one = [{"turn": "t3", "message": "b", "time": 7}, {"turn": "t1", "message": "a", "time": 1}]
    two = [{"turn": "t4", "message": "c", "time": 9}, {"turn": "t2", "message": "a", "time": 2}]
    ways = merged({"one": one, "two": two})
    assert ways == [Way("c", ("two",), 9), Way("b", ("one",), 7), Way("a", ("one", "two"), 2)]
    lines = [Line("a", "ann", "first"), Line("c", "bob", "third")]
    assert shown(ways, lines).splitlines() == [
        "   1  bob: third  (answered by two)",
        "   2  b  (answered by one)",
        "   3  ann: first  (answered by one, two)",
    ]


def test_the_last_one_is_meant_where_no_number_is_said() -> None:
    assert chosen("") == (1, "")
    assert chosen("3") == (3, "")
    assert chosen("2 say  it so") == (2, "say  it so")


def test_what_is_no_number_is_said_so() -> None:
    with pytest.raises(ValueError, match="/checkpoints"):
        chosen("hello")
