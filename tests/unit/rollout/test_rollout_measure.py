"""What is measured of a rollout, on notes made by hand."""

import msgspec

from tests.chaos.history import History
from tests.chaos.records import Connected, Connecting, DeviceLine, Fault, FaultOver, Life, Subscribed, Truth
from tests.rollout.curve import drawn
from tests.rollout.measure import Results, Window, busiest, measured, per_second
from tests.rollout.paced import Sent
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
    surge, quarter = measured(told, {}, (SURGE, QUARTER), [sent(120, 1), sent(121, 2), sent(210, 1)], 5)
    assert surge.hops == {0: 1, 1: 1, 2: 1}
    assert quarter.hops == {0: 2, 1: 1}
    assert broken(SURGE, [surge, quarter]) == [
        "surge: 1 devices reconnected 0 times",
        "surge: 1 devices reconnected 2 times",
    ]
    assert broken(QUARTER, [surge, quarter]) == []


def test_a_stall_lasts_until_the_device_follows_again() -> None:
    [surge, _] = measured(history(a=device("a", 1, 120, stall=2.0)), {}, (SURGE, QUARTER), (), 5)
    assert surge.stalls is not None
    assert (surge.stalls.count, surge.stalls.most) == (1, 2000.0)


def test_newcomers_are_measured_apart_from_those_who_were_there() -> None:
    told = history(a=device("a", 1, 120), late=device("late", 130.0, stall=1.0))
    [surge, _] = measured(told, {}, (SURGE, QUARTER), (), 5)
    assert surge.devices == 1
    assert surge.newcomers is not None
    assert (surge.newcomers.count, surge.newcomers.p50) == (1, 1000.0)


def sent(t: float, connections: int, by: str = "budget") -> Sent:
    return Sent(node="a", connections=connections, by=by, since_ms=int(t * 1000), until_ms=int(t * 1000))


def test_each_way_is_judged_by_the_closes_made_in_it() -> None:
    told = history(a=device("a", 1, 120, 210), b=device("b", 1, 120, 210))
    closes = [sent(99, 9), sent(120, 1), sent(120.5, 1), sent(210, 2), sent(211, 9), sent(212, 1, "deadline")]
    surge, quarter = measured(told, {}, (SURGE, QUARTER), closes, 5)
    assert broken(SURGE, [surge, quarter]) == []
    assert broken(QUARTER, [surge, quarter]) == [
        "quarter: too fast: 9 closes within 0.00 s, of at most 2.0",
        "quarter: cut: 1 connections at a deadline",
    ]


def test_a_connection_lost_that_no_server_tells_of_is_a_failure() -> None:
    ways = measured(
        history(a=device("a", 1, 120), b=device("b", 1, 121)), {}, (SURGE, QUARTER), [sent(120, 1)], 5
    )
    assert broken(SURGE, ways) == ["surge: unsaid: devices lost 2 connections, and servers told only 1 to go"]


def test_a_refused_handshake_is_a_failure_where_all_are_to_be_let_in() -> None:
    told = history(a=device("a", 1, 120))
    refusals = {"a": [(110.0, "503"), (111.0, "no connection"), (112.0, "too late"), (205.0, "503")]}
    ways = measured(told, refusals, (SURGE, QUARTER), [sent(120, 1)], 5)
    assert broken(SURGE, ways) == [
        "surge: 1 handshakes were refused (503)",
        "surge: 1 handshakes were refused (no connection)",
    ]
    assert broken(QUARTER, ways) == []
    assert reason("timed out during opening handshake") == "too late"
    assert reason("did not receive a valid HTTP response") == "did not receive a valid HTTP response"


def test_refusals_are_counted_by_their_reason_and_way() -> None:
    told = history(a=device("a", 1, 120))
    refusals = {"a": [(99.0, "503"), (110.0, "503"), (111.0, "no connection"), (205.0, "503")]}
    surge, quarter = measured(told, refusals, (SURGE, QUARTER), (), 5)
    assert surge.refused == {"503": 1, "no connection": 1}
    assert quarter.refused == {"503": 1}
    assert reason("server rejected WebSocket connection: HTTP 503") == "503"


def test_the_curve_counts_reconnects_of_each_second() -> None:
    assert per_second([100.2, 100.9, 102.0], Window(100.0, 103.5)) == [2, 0, 1, 0]
    assert busiest([1.0, 1.2, 1.9, 2.1, 5.0]) == 3


def test_page_and_picture_hold_what_was_measured() -> None:
    told = history(a=device("a", 1, 120), b=device("b", 1, 121))
    ways = measured(told, {}, (SURGE, QUARTER), [sent(120, 1), sent(121, 1)], 5)
    results = Results(seed="7", devices=2, rate=5, events=9, acknowledged=3, violations=[], ways=ways)
    text = page(results)
    assert "2 devices once" in text
    assert "no violation" in text
    assert "1 closes within 0.00 s, of at most 2.0" in text
    picture = drawn(ways, 5)
    assert picture.count("<polyline") == 2
    assert "R = 5" in picture


def test_figures_from_before_servers_told_their_closes_have_a_page_too() -> None:
    ways = measured(history(a=device("a", 1, 120)), {}, (SURGE, QUARTER), (), 5)
    results = Results(seed="7", devices=1, rate=5, events=9, acknowledged=3, violations=[], ways=ways)
    told = msgspec.to_builtins(results)
    for way in told["ways"]:
        del way["pace"]
    read = msgspec.json.decode(msgspec.json.encode(told), type=Results)
    assert "closes by servers" not in page(read)
    assert "was not measured yet" in page(read)
    assert broken(QUARTER, read.ways) == []
