"""What every port of the bus stands on; made once by `house.Bus` and handed to each port's constructor."""

from dataclasses import dataclass

from redis.asyncio import Redis

from services.shared.bus.keys import Keys
from services.shared.bus.scripts import Scripts
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Floor:
    """What every port stands on.

    commands: client for short commands; blocking: client for BLOCK and pub/sub, its BLOCK at most 4 s.
    """

    process: str
    settings: RedisSettings
    keys: Keys
    scripts: Scripts
    commands: Redis
    blocking: Redis
    clock: Clock
    metrics: Metrics
