"""What is measured of a rollout, on notes made by hand."""

from tests.chaos.history import History
from tests.chaos.records import Connected, Connecting, DeviceLine, Fault, FaultOver, Life, Subscribed, Truth
from tests.rollout.curve import drawn
from tests.rollout.measure import Results, Window, busiest, measured, per_second
from tests.rollout.page import page
from tests.rollout.verdict import broken, reason
from tests.rollout.ways import QUARTER, SURGE

FAULTS = (
    Fault(100.0, "rollout.surge", 1),
    FaultOver(160.0, 1, "pods"),
    Fault(200.0, "rollout.quarter", 2),
    FaultOver(260.0, 2, "pods"),
)


def device(name: str, began: float, *hops: float, stall: float = 0.5) -> tuple[DeviceLine, ...]:
    """A device that came at a time and lost its connection at others."""
    lines: list[DeviceLine] = [Life(began, name, name)]
    for t in (began, *hops):
        lines += [
            Connecting(t, 0 if t == began else 3001),
            Connected(t + stall / 2, "c"),
            Subscribed(t + stall, "talk", "e", 1, True, True, []),
        ]
    return tuple(lines)


def history(**devices: tuple[DeviceLine, ...]) -> History:
    return History(Truth({}), devices, {}, FAULTS)


def test_hops_are_counted_in_the_way_they_belong_to_and_by_device() -> None:
    told = history(a=device("a", 1, 120), b=device("b", 1, 121, 122, 210), c=device("c", 1))
    surge, quarter = measured(told, {}, (SURGE, QUARTER))
    assert surge.hops == {0: 1, 1: 1, 2: 1}
    assert quarter.hops == {0: 2, 1: 1}
    assert broken(SURGE, [surge, quarter]) == [
        "surge: 1 devices reconnected 0 times",
        "surge: 1 devices reconnected 2 times",
    ]
    assert broken(QUARTER, [surge, quarter]) == []


def test_a_stall_lasts_until_the_device_follows_again() -> None:
    [surge, _] = measured(history(a=device("a", 1, 120, stall=2.0)), {}, (SURGE, QUARTER))
    assert surge.stalls is not None
    assert (surge.stalls.count, surge.stalls.most) == (1, 2000.0)


def test_newcomers_are_measured_apart_from_those_who_were_there() -> None:
    told = history(a=device("a", 1, 120), late=device("late", 130.0, stall=1.0))
    [surge, _] = measured(told, {}, (SURGE, QUARTER))
    assert surge.devices == 1
    assert surge.newcomers is not None
    assert (surge.newcomers.count, surge.newcomers.p50) == (1, 1000.0)


def test_refusals_are_counted_by_their_reason_and_way() -> None:
    told = history(a=device("a", 1, 120))
    refusals = {"a": [(99.0, "503"), (110.0, "503"), (111.0, "no connection"), (205.0, "503")]}
    surge, quarter = measured(told, refusals, (SURGE, QUARTER))
    assert surge.refused == {"503": 1, "no connection": 1}
    assert quarter.refused == {"503": 1}
    assert reason("server rejected WebSocket connection: HTTP 503") == "503"


def test_the_curve_counts_reconnects_of_each_second() -> None:
    assert per_second([100.2, 100.9, 102.0], Window(100.0, 103.5)) == [2, 0, 1, 0]
    assert busiest([1.0, 1.2, 1.9, 2.1, 5.0]) == 3


def test_page_and_picture_hold_what_was_measured() -> None:
    ways = measured(history(a=device("a", 1, 120), b=device("b", 1, 121)), {}, (SURGE, QUARTER))
    results = Results(seed="7", devices=2, rate=5, events=9, acknowledged=3, violations=[], ways=ways)
    text = page(results)
    assert "2 devices once" in text
    assert "no violation" in text
    picture = drawn(ways, 5)
    assert picture.count("<polyline") == 2
    assert "R = 5" in picture
