"""The census of one node."""

from services.connection.core.hearing import HEARS
from services.connection.counting import Counting


def test_users_are_counted_once_and_connects_by_the_second() -> None:
    opened, now, drains = [10], [100.0], [False]
    counting = Counting(
        lambda: ["ann", "ann", "bob", ""],
        lambda: 5,
        lambda: opened[0],
        lambda: drains[0],
        bool,
        lambda: now[0],
    )
    opened[0], now[0] = 16, 102.0
    assert counting.census() == {
        "connections": 4,
        "draining": 0,
        "users": 2,
        "channels": 5,
        "connects": 8,
        HEARS: 1,
    }
    opened[0], now[0], drains[0] = 18, 104.0, True
    told = counting.census()
    assert (told["draining"], told["connects"]) == (4, 1)
    assert counting.census()["connects"] == 0
