"""What happens to links between processes: the rules of a fault campaign, and what they come to together.

Called by the proxy. Pure: must never touch a socket.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

KINDS = ("delay", "cut", "reset", "slow")


@dataclass(frozen=True, slots=True)
class Rule:
    """One harm to every link whose dialler and server match the two globs.

    delay_ms: each way. bytes_per_s: of `slow`, each way. resets: what healing a `cut` does; False lets the
    bytes held flow on.
    """

    number: int
    kind: str
    source: str
    destination: str
    delay_ms: float = 0.0
    bytes_per_s: float = 0.0
    resets: bool = False

    def concerns(self, source: str, destination: str) -> bool:
        """Whether a link dialled by `source` to `destination` is harmed."""
        return fnmatchcase(source, self.source) and fnmatchcase(destination, self.destination)


@dataclass(frozen=True, slots=True)
class Harm:
    """What all rules together do to one link; bytes_per_s 0 is as fast as it goes."""

    cut: bool = False
    resets: bool = False
    refuses: bool = False
    delay_s: float = 0.0
    bytes_per_s: float = 0.0


NONE = Harm()


def harm(rules: Iterable[Rule], source: str, destination: str) -> Harm:
    """Cuts win over delays, delays add up, the slowest rate holds."""
    those = [rule for rule in rules if rule.concerns(source, destination)]
    if not those:
        return NONE
    cuts = [rule for rule in those if rule.kind == "cut"]
    return Harm(
        cut=bool(cuts),
        resets=any(rule.resets for rule in cuts),
        refuses=any(rule.kind == "reset" for rule in those),
        delay_s=sum(rule.delay_ms for rule in those if rule.kind == "delay") / 1000,
        bytes_per_s=min((rule.bytes_per_s for rule in those if rule.kind == "slow"), default=0.0),
    )
