"""What tracing costs: figures of one run, their interval, the verdict, the page's section. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

OFF, SAMPLED, WHOLE = "off", "1 %", "100 %"
RATIOS = {OFF: None, SAMPLED: 0.01, WHOLE: 1.0}
"""`CONTINUO_TRACES_RATIO` of each; None: no tracing at all."""
MOST = 0.03
"""What sampling one in a hundred may cost: the interval's lower bound beyond it is a miss."""
RESAMPLES = 4000
SURE = 0.95


@dataclass(frozen=True)
class Round:
    """CPU seconds a message, of connection process and worker together, by mode: the modes in turns, right
    after each other, so that whatever else the machine does hits all of them.
    """

    cost: dict[str, float]


@dataclass(frozen=True)
class Interval:
    """By how much more a mode costs than none, as a share: between these with a probability of `SURE`."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True)
class Costs:
    """A run. spans: that arrived at the collector, by mode."""

    rounds: tuple[Round, ...]
    messages: int
    """Of one mode in one round."""
    spans: dict[str, int]

    def per_message(self, mode: str) -> float:
        """CPU seconds, the median of the rounds."""
        return median(each.cost[mode] for each in self.rounds)

    def over(self, mode: str) -> Interval:
        """What it costs beyond no tracing."""
        return interval([(each.cost[mode], each.cost[OFF]) for each in self.rounds])


def interval(pairs: Sequence[tuple[float, float]], seed: int = 1) -> Interval:
    """The ratio of the sums less 1, and what it is in rounds drawn anew from these (bootstrap)."""
    draw = random.Random(seed)
    drawn = sorted(_ratio(draw.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    beyond = int(RESAMPLES * (1 - SURE) / 2)
    return Interval(drawn[beyond], _ratio(pairs), drawn[-1 - beyond])


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(one for one, _ in pairs) / sum(other for _, other in pairs) - 1


def verdict(seen: Costs) -> Iterator[tuple[str, bool]]:
    """The one target in a line, and whether it is met."""
    over = seen.over(SAMPLED)
    told = f"tracing at 1 % costs {_told(over)} (target: not surely more than {MOST:.0%})"
    yield told, over.low <= MOST


def section(seen: Costs) -> list[str]:
    """Its lines."""
    return [
        "## Tracing",
        "",
        "CPU seconds of connection process and worker together for one message and its answer, by the",
        "default assistant, with tracing off, at a ratio of 0.01 and at 1.",
        f"{len(seen.rounds)} rounds; in each, every mode in turn answers {seen.messages} messages, in each",
        "order as often, with processes and a Redis of its own, all of them alive for the whole run. Spans",
        "go over gRPC to a collector on the other core. The buffer of what is not sampled is full from the",
        f"beginning, though smaller than it comes. Intervals hold {SURE:.0%} of resampled rounds.",
        "",
        "| tracing | ms a message | beyond off | spans that arrived |",
        "| --- | --- | --- | --- |",
        *(_row(seen, mode) for mode in RATIOS),
        "",
        f"Target: at 1 % the interval's lower end is at most {MOST:.0%}.",
        "",
    ]


def _row(seen: Costs, mode: str) -> str:
    over = "" if mode == OFF else _told(seen.over(mode))
    return f"| {mode} | {seen.per_message(mode) * 1000:.2f} | {over} | {seen.spans.get(mode, 0):,} |"


def _told(over: Interval) -> str:
    return f"{over.likely:+.1%} ({over.low:+.1%} to {over.high:+.1%})"
