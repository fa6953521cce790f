"""What control runs take out is still where they look for it, and each control names what it takes out."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from services.connection import arrivals
from services.connection.core.pacing import Pace
from services.connection.drain import Drain
from services.shared.bus.drain_budget import DrainBudget
from tests.rollout.controls import CONTROLS
from tests.rollout.sabotage import PROTECTIONS

SEAMS: dict[str, Callable[[], object]] = {
    "budget": lambda: DrainBudget.take,
    "pace": lambda: Pace.due,
    "resume": lambda: arrivals.Joined,
    "lame-duck": lambda: Drain.to_the_end,
}


@pytest.fixture(autouse=True)
def whole_again() -> Iterator[None]:
    yield
    patch.stopall()


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_a_protection_is_taken_out_where_it_is(protection: str) -> None:
    before = SEAMS[protection]()
    PROTECTIONS[protection]()
    assert SEAMS[protection]() is not before


def test_each_protection_has_its_control() -> None:
    assert CONTROLS.keys() == PROTECTIONS.keys() == SEAMS.keys()
