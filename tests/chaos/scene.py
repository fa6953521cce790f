"""What a fault is given: the stage, the devices, and the dice. Read by `faults` and the modules beside it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.crowd import Crowd
from tests.chaos.stage import Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may hurt, and the dice."""

    stage: Stage
    crowd: Crowd
    dice: random.Random

    async def wait(self, least_s: float, most_s: float) -> None:
        """Let it hold for a while."""
        await asyncio.sleep(self.dice.uniform(least_s, most_s))

    def any_of(self, service: str) -> str:
        """A process of a service."""
        return self.dice.choice(self.stage.named(service))


Inject = Callable[[Scene], Awaitable[str]]
"""Does it and lets it go; returns whom it hurt, or "" when it came to nothing."""
