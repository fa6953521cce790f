"""Marks: texts that stand nowhere else, one for each thing that must not get out, and the search for them.

A mark is made of a seed and of what it marks, so that processes which share the seed know the same ones.
Found again, it says what leaked.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

SEED = "CONTINUO_TESTS_MARKS"
"""The variable from which a process of the tests takes its seed."""
AROUND = 80


@dataclass(frozen=True)
class Leak:
    """What was found where, with some of what stands around it."""

    what: str
    where: str
    excerpt: str


@dataclass
class Marks:
    """The marks of one run; `of` makes one and remembers it."""

    seed: str
    made: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_process(cls) -> Marks:
        """Those of the run that started this process."""
        return cls(os.environ.get(SEED, "none"))

    def of(self, what: str) -> str:
        """The mark of this: a word of letters and digits, lower case, that begins with `mk`."""
        mark = "mk" + hashlib.sha256(f"{self.seed} {what}".encode()).hexdigest()[:14]
        self.made[what] = mark
        return mark

    def found_in(self, outputs: Mapping[str, str]) -> list[Leak]:
        """Every mark in any output, each once a place; case does not matter."""
        return [
            Leak(what, where, output[max(0, at - AROUND) : at + AROUND])
            for where, output in outputs.items()
            for what, mark in self.made.items()
            if (at := output.lower().find(mark)) >= 0
        ]
