"""What a dashboard is, as plain data; grafana.py makes Grafana's JSON of it.

People read these at three in the morning: a title is a question that the picture answers, a description says
what is well and where to go on, and colours say whether somebody has to do something.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; `legend` in Grafana's notation, `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where on it is worth a look (`warn`), and from where on somebody has to act (`bad`).

    Where `bad` is below `warn`, less is worse. only: the one number that is well. Without any of them it is
    traffic: no amount of it is wrong.
    """

    warn: float | None = None
    bad: float | None = None
    only: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: a number (`Stat`) or lines over time. `span`: of 24 columns."""

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    bounds: Bounds = Bounds()
    number: bool = False
    span: int = 8
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures that belong together, under a headline."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. `name` is its file's and its uid's."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)


def lines(
    title: str, about: str, unit: str, *queries: Query, bounds: Bounds = Bounds(), span: int = 8
) -> Panel:
    """Lines over time."""
    return Panel(title, about, unit, queries, bounds, span=span)


def number(
    title: str,
    about: str,
    unit: str,
    expr: str,
    *,
    bounds: Bounds = Bounds(),
    span: int = 4,
    decimals: int | None = None,
    legend: str = "",
) -> Panel:
    """One number, large."""
    return Panel(
        title, about, unit, (Query(expr, legend),), bounds, number=True, span=span, decimals=decimals
    )
