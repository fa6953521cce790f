"""The judge of a fleet's pace, on closes made by hand and by the real pace over a bucket like Redis'."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.connection.core.pacing import Pace, Rates
from services.shared.bus.drain_budget import SPARED, most_kept
from tests.rollout.paced import Sent, pace, told_by_servers

STEP_S = 0.05
RATE = 50.0


def sent(at_ms: int, connections: int = 1, node: str = "a", by: str = "budget", took_ms: int = 0) -> Sent:
    return Sent(node=node, connections=connections, by=by, since_ms=at_ms - took_ms, until_ms=at_ms)


def kept(*closes: Sent, rate: float = RATE) -> bool:
    judged = pace(closes, rate)
    assert judged.tightest is not None
    return judged.tightest.kept


def test_closes_at_the_fleets_rate_are_within_it() -> None:
    judged = pace([sent(20 * number) for number in range(500)], RATE)
    assert judged.tightest is not None
    assert judged.tightest.kept
    assert (judged.closes, judged.in_a_second, judged.cut, judged.alone) == (500, 50, 0, 0)


def test_all_at_once_is_too_fast() -> None:
    assert kept(sent(0, 6))
    assert not kept(sent(0, 7)), "five are kept, and one of the server's floor"
    assert not kept(*(sent(0, 4, node) for node in "abc"))


def test_a_rate_that_is_a_little_too_high_shows_in_time() -> None:
    def closes(every_ms: float, seconds: int) -> list[Sent]:
        return [sent(int(every_ms * number)) for number in range(int(1000 * seconds / every_ms))]

    assert not kept(*closes(1000 / 57, 2))
    assert kept(*closes(1000 / 50, 20))


def test_pods_that_are_slow_each_are_too_fast_together() -> None:
    assert not kept(*(sent(40 * number, 1, node) for number in range(100) for node in "abc"))


def test_what_was_granted_earlier_may_be_closed_later() -> None:
    assert kept(sent(1000, 30, took_ms=600))
    assert not kept(sent(1000, 30, took_ms=100))


def test_closes_without_redis_are_counted_and_let_pass() -> None:
    judged = pace([sent(0, 50, by="alone")], RATE)
    assert judged.tightest is not None
    assert (judged.tightest.kept, judged.alone) == (True, 50)


def test_who_is_cut_at_a_deadline_is_counted() -> None:
    assert pace([sent(0, 3, by="deadline")], RATE).cut == 3


def test_where_nothing_was_closed_nothing_is_judged() -> None:
    assert pace([], RATE).tightest is None


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([6.0, 50.0]), st.booleans())
def test_real_drains_over_a_bucket_as_redis_keeps_it_are_within_the_bound(
    seed: int, pods: int, rate: float, bound: bool
) -> None:
    dice = Random(seed)
    closes = drained(dice, pods, rate, pod_rate=rate / 2 if bound else 0.0)
    assert kept(*sorted(closes, key=lambda each: each.until_ms), rate=rate)


def drained(dice: Random, pods: int, rate: float, pod_rate: float) -> list[Sent]:
    """What pods tell that drain together, each looking when it will, some answers late. There is time for
    three times as many.
    """
    deadline, most = 20.0, most_kept(rate)
    spared = most * SPARED if most * SPARED >= 1 else 0.0
    left = {f"pod-{number}": int(rate * 6 / pods) for number in range(pods)}
    paces = {pod: Pace(Rates(pod_rate, rate), 0.0) for pod in left}
    looks = [(dice.uniform(0, STEP_S), pod) for pod in left]
    tokens, asked, closes = 0.0, 0.0, []
    while looks:
        now, pod = min(looks)
        looks.remove((now, pod))
        due = paces[pod].due(now, left[pod], deadline)
        tokens, asked = min(most, tokens + rate * (now - asked)), now
        count = max(due.must, min(due.may, int(tokens - spared)))
        tokens -= count
        paces[pod].closed(count)
        left[pod] -= count
        late = dice.choice([0.0, 0.002, 0.15])
        if count:
            closes.append(
                sent(int(1000 * (now + late)), count, pod, took_ms=int(1000 * (now + late)) - int(1000 * now))
            )
        if left[pod]:
            looks.append((now + late + STEP_S, pod))
    return closes


def test_closes_are_read_from_the_logs_of_all_servers(tmp_path: Path) -> None:
    line = {"event": "sent away", "connections": 2, "by": "budget", "since_ms": 5, "until_ms": 9, "left": 1}
    others = 'not JSON\n{"event":"drain moved","state":"gone"}\n'
    for node, until in (("a", 9), ("b", 7)):
        text = others + json.dumps({**line, "node": node, "until_ms": until}) + "\n"
        (tmp_path / f"{node}.log").write_text(text)
    assert [(each.node, each.until_ms, each.connections) for each in told_by_servers(tmp_path)] == [
        ("b", 7, 2),
        ("a", 9, 2),
    ]


def test_a_line_of_closes_that_is_not_as_agreed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text('{"event": "sent away", "node": "a"}\n')
    with pytest.raises(Exception, match="missing required field"):
        told_by_servers(tmp_path)
