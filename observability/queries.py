"""Expressions that the dashboards share. `$job` is the release looked at; `$__rate_interval` is Grafana's.

Names are written without `continuo_`; a counter's without `_total`.
"""

from __future__ import annotations

JOB = 'job=~"$job"'


def series(metric: str, where: str = "") -> str:
    """The series of a metric in the releases that are looked at."""
    return f"continuo_{metric}{{{_chosen(where)}}}"


def rate(counter: str, *by: str, where: str = "") -> str:
    """How many a second."""
    return _summed(f"rate({series(f'{counter}_total', where)}[$__rate_interval])", by)


def risen(counter: str, *by: str, where: str = "") -> str:
    """How many in the time that one point of the picture stands for."""
    return _summed(f"increase({series(f'{counter}_total', where)}[$__rate_interval])", by)


def ended(histogram: str, *by: str, where: str = "") -> str:
    """How many of what a histogram measures ended, a second."""
    return _summed(f"rate({series(f'{histogram}_count', where)}[$__rate_interval])", by)


def quantile(share: float, histogram: str, *by: str, where: str = "") -> str:
    """The time within which this share ended; nothing where nothing did."""
    buckets = f"rate({series(f'{histogram}_bucket', where)}[$__rate_interval])"
    return f"histogram_quantile({share}, {_summed(buckets, ('le', *by))})"


def total(gauge: str, *by: str, where: str = "") -> str:
    """The sum over processes."""
    return _summed(series(gauge, where), by)


def most(gauge: str, *by: str, where: str = "") -> str:
    """The highest of what processes say: of those that count the same thing, and those that count nothing."""
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"max{grouped} ({series(gauge, where)})"


def recorded(name: str) -> str:
    """A series that a recording rule wrote."""
    return f"{name}{{{JOB}}}"


def _summed(what: str, by: tuple[str, ...]) -> str:
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} ({what})"


def _chosen(where: str) -> str:
    return f"{JOB},{where}" if where else JOB
