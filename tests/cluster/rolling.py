"""The arithmetic of a rolling update:

Pure. How far new pods may go up and old ones down, and in which shares.
"""

import math
from collections.abc import Sequence


def resolved(surge: int | str, unavailable: int | str, replicas: int) -> tuple[int, int]:
    """Most pods above and below the number:

    Percents of it, surge rounded up, unavailable down; never both 0.
    """
    above, below = _count(surge, replicas, math.ceil), _count(unavailable, replicas, math.floor)
    return (above, below) if above or below else (0, 1)


def _count(value: int | str, replicas: int, rounded: object) -> int:
    if isinstance(value, int):
        return value
    exact = int(value.rstrip("%")) * replicas / 100
    return math.ceil(exact) if rounded is math.ceil else math.floor(exact)


def new_size(replicas: int, surge: int, new: int, total: int) -> int:
    """What the new set may have now. total: what all sets ask for, the new one among them."""
    if new >= replicas:
        return replicas
    return new + max(0, min(replicas + surge - total, replicas - new))


def old_cuts(
    replicas: int, unavailable: int, new: tuple[int, int], old: Sequence[tuple[int, int]]
) -> list[int]:
    """How many each old set gives up now, the oldest first. A set is (asked for, available).

    First what is not available, then available ones, as long as so many stay available. Pods on their way out
    count nowhere.
    """
    least = replicas - unavailable
    room = new[0] + sum(asked for asked, _ in old) - least - (new[0] - new[1])
    cuts = [0] * len(old)
    if room <= 0:
        return cuts
    for index, (asked, available) in enumerate(old):
        cuts[index] = max(0, min(room - sum(cuts), asked - available))
    spare = new[1] + sum(available for _, available in old) - least
    for index, (asked, _) in enumerate(old):
        cut = max(0, min(spare, asked - cuts[index]))
        cuts[index] += cut
        spare -= cut
    return cuts


def shares(sizes: Sequence[int], written: Sequence[int], replicas: int, surge: int) -> list[int]:
    """The sizes after a scaling in the midst of a rollout: each set keeps its share of the whole.

    written: what the whole was (with surge) when each set was last sized. The first one takes what rounding
    leaves.
    """
    allowed = replicas + surge if replicas else 0
    add = allowed - sum(sizes)
    added = 0
    result = list(sizes)
    for index, size in enumerate(sizes):
        if size == 0 or add == 0:
            continue
        wish = _round(size * allowed / (written[index] or allowed)) - size
        left = add - added
        change = min(wish, left) if add > 0 else max(wish, left)
        result[index] = max(0, size + change)
        added += change
    if result:
        result[0] = max(0, result[0] + add - added)
    return result


def _round(value: float) -> int:
    return math.floor(value + 0.5)
