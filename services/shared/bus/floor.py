"""What every port of the bus stands on; made once by `house.Bus` and handed to each port's constructor."""

from dataclasses import dataclass

from redis.asyncio import Redis

from services.shared.bus.keys import Keys, PartitionKeys
from services.shared.bus.scripts import Arg, Scripts
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.origin import Origin, origin


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

    def audited(
        self, keys: list[str], args: list[Arg], at: PartitionKeys, whence: Origin | None = None
    ) -> tuple[list[str], list[Arg]]:
        """KEYS and ARGV of a script that does what is audited: what lua/audit.lua wants stands behind all.

        whence: from where it is done; None: as the current task says.
        """
        if self.settings.audit == "off":
            return keys, [*args, ""]
        known = whence or origin()
        told = f"{self.settings.audited()} {known.connection or '-'} {known.trace or '-'}"
        return [*keys, at.audit], [*args, told]
