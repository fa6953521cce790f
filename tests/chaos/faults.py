"""The faults of a campaign by name, and the order they are played in.

Called by `run` and `campaign`. Each hurts the house, holds for a while, lets it heal, and says whom it hurt.
"""

import random

from tests.chaos.faults_links import LINKS
from tests.chaos.faults_redis import REDIS
from tests.chaos.faults_services import DEVICES, SERVICES
from tests.chaos.scene import Inject

FAULTS: dict[str, Inject] = {**SERVICES, **REDIS, **LINKS, **DEVICES}
"""Every fault by name."""


def deck(count: int, dice: random.Random, among: list[str] | None = None) -> list[str]:
    """`count` faults in random order, each kind as often as any other, give or take one."""
    kinds = among or list(FAULTS)
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += dice.sample(kinds, len(kinds))
    return drawn[:count]
