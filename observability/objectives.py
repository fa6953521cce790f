"""The objectives: what share of what people ask for may go wrong, in one table. Rules, alerts and dashboards
are made from it.

Every expression is summed `by (job)`: a release is one job of Prometheus, as the chart's PodMonitor makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SHORT = ("5m", "30m", "1h", "2h", "6h")
"""Windows that are looked at often."""
LONG = ("1d", "3d")
"""Windows that move slowly."""
WITHIN_S = "1.0"
"""Seconds within which an event is shown and a message acknowledged; the bound of a bucket of both."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One of them. `bad` and `total` give, for a window, how many a second went wrong, and how many there
    were.
    """

    name: str
    title: str
    promise: str
    """What is promised, as a sentence."""
    share: float
    """Of all, what has to be good."""
    bad: Callable[[str], str]
    total: Callable[[str], str]

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.share, 6)

    @property
    def shown(self) -> str:
        """The share as people write it."""
        return f"{self.share * 100:g} %"

    def ratio(self, window: str) -> str:
        """The recorded share of the bad in this window."""
        return f"continuo:slo_{self.name}:ratio_rate{window}"

    def count(self, window: str) -> str:
        """The recorded number of the bad in this window."""
        return f"continuo:slo_{self.name}:bad_increase{window}"


def _rate(what: str, window: str) -> str:
    return f"sum by (job) (rate({what}[{window}]))"


def _late(metric: str, window: str) -> str:
    """How many of a histogram's took longer than they may."""
    within = f'continuo_{metric}_bucket{{le="{WITHIN_S}"}}'
    return f"({_rate(f'continuo_{metric}_count', window)} - {_rate(within, window)})"


def _unsent(window: str) -> str:
    """Messages that were neither accepted nor refused for a fault of the client's."""
    return _rate('continuo_sends_total{outcome=~"busy|failed"}', window)


OBJECTIVES = (
    Objective(
        name="delivery",
        title="Delivery",
        promise="An event is written to the devices that follow within 1 s of its time in the journal",
        share=0.999,
        bad=lambda window: _late("delivery_seconds", window),
        total=lambda window: _rate("continuo_delivery_seconds_count", window),
    ),
    Objective(
        name="acknowledged",
        title="Acknowledged",
        promise="A message sent is acknowledged, replicated, within 1 s",
        share=0.999,
        bad=lambda window: f"({_unsent(window)} + {_late('accept_seconds', window)})",
        total=lambda window: _rate('continuo_sends_total{outcome!="refused"}', window),
    ),
    Objective(
        name="turns",
        title="Turns",
        promise="A turn ends other than failed",
        share=0.99,
        bad=lambda window: _rate('continuo_turns_total{outcome="failed"}', window),
        total=lambda window: _rate("continuo_turns_total", window),
    ),
    Objective(
        name="resume",
        title="Resume",
        promise="A device that comes back with a position gets what it missed",
        share=0.999,
        bad=lambda window: _rate('continuo_recoveries_total{outcome="reset"}', window),
        total=lambda window: _rate("continuo_recoveries_total", window),
    ),
)
