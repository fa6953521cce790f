"""Moments and plan ids as text, both ways. A plan's id says why and since when: it survives the operator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

DOWN = "down"
ROLLOUT = "rollout"
NODE = "node"

REASONS = {DOWN: "ScaleDown", ROLLOUT: "Rollout", NODE: "Node"}


@dataclass(frozen=True, slots=True)
class PlanId:
    """A plan's id taken apart: `down.<seconds>`, `rollout.<revision>.<seconds>`, `node.<seconds>`."""

    kind: str
    at: float
    revision: str | None = None

    def __str__(self) -> str:
        parts = [self.kind, *([self.revision] if self.revision else []), str(math.ceil(self.at))]
        return ".".join(parts)

    @property
    def reason(self) -> str:
        return REASONS[self.kind]

    @classmethod
    def read(cls, text: str | None) -> PlanId | None:
        """None for no plan, and for one that this operator cannot have made."""
        parts = (text or "").split(".")
        kind, revision, at = parts[0], ".".join(parts[1:-1]) or None, parts[-1]
        if kind not in REASONS or not at.isdecimal() or (revision is None) == (kind == ROLLOUT):
            return None
        return cls(kind, float(at), revision)


def iso(seconds: float) -> str:
    """A moment as Kubernetes writes it, to the second."""
    return datetime.fromtimestamp(math.floor(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> float | None:
    """Seconds since 1970; None for nothing and for what is no moment."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
