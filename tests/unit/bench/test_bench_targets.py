"""The verdict of `make bench` on threads: each target by itself can be missed."""

from dataclasses import replace

import pytest

from tests.bench.latency import Percentiles
from tests.bench.threads_figures import MEMORY, OURS, STOCK, Crowd, Kept, StockThread, Threads, Turn
from tests.bench.threads_targets import verdict

MIB = 2**20


def turns(over_ms: float) -> tuple[Turn, ...]:
    floors = {50: 4.0, 200: 8.0}
    return tuple(
        Turn(saver, 3, messages, Percentiles(floor + more, 0, 0), 0, 0, 0, 0, 0)
        for messages, floor in floors.items()
        for saver, more in ((MEMORY, 0.0), (OURS, over_ms), (STOCK, 90.0))
    )


def crowds(turns_s: float, stall_ms: float) -> tuple[Crowd, ...]:
    stock = Crowd(STOCK, 200, 15.0, 66.0, Percentiles(0, 0, 200.0), 300.0)
    return stock, Crowd(OURS, 200, turns_s, 10.0, Percentiles(0, 0, stall_ms), 70.0)


def kept(size: int) -> Kept:
    return Kept(300, 90_000, {"thread": 2, "journal": 1}, {"thread": size - 1000, "journal": 1000})


GOOD = Threads(turns(15.0), (), (), crowds(60.0, 50.0), StockThread(150, 2401, 0, 0), kept(2 * MIB))


def missed(seen: Threads) -> list[str]:
    return [target for target, met in verdict(seen) if not met]


def test_figures_at_their_targets_meet_them() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        (replace(GOOD, turns=turns(15.1)), ["3-node turn at 50 messages"]),
        (replace(GOOD, turns=turns(25.1)), ["3-node turn at 50 messages", "3-node turn at 200 messages"]),
        (replace(GOOD, crowds=crowds(59.9, 50.0)), ["60 turns/s per core"]),
        (replace(GOOD, crowds=crowds(60.0, 50.1)), ["stall p99"]),
        (replace(GOOD, kept=kept(2 * MIB + 1)), ["2.00 MiB"]),
    ],
)
def test_a_figure_beyond_its_target_is_missed_by_name(worse: Threads, words: list[str]) -> None:
    assert [target for target, word in zip(missed(worse), words, strict=True) if word in target] == missed(
        worse
    )
