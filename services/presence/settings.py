"""The presence service's settings, read once by `app` from `CONTINUO_*`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.bus.settings import RedisSettings
from services.shared.runtime.log_settings import LogSettings
from services.shared.runtime.tracing import TracingSettings


class PresenceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where it listens, how often it looks, and when a node is dead.

    A connection is gone from presence within dead_after + two sweeps + one beat of its pod's death: under
    10 s as it comes.
    """

    host: Annotated[str, Meta(description="Where /health and /metrics are served.")] = "0.0.0.0"
    port: Annotated[int, Meta(ge=0, le=65535, description="Their port; 0: any free one.")] = 8003
    presence_sweep_s: Annotated[float, Meta(gt=0, description="Seconds between two looks.")] = 1.0
    presence_dead_after_s: Annotated[
        float, Meta(gt=0, description="Seconds of silence after which a node is dead; several beats.")
    ] = 6.0
    grace_s: Annotated[
        float, Meta(ge=0, description="Seconds a user may be away before the leave is announced.")
    ] = 10.0
    presence_shards: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            description="Groups of partitions that the replicas share; at least as many as replicas.",
        ),
    ] = 8
    conversation_ttl_s: Annotated[
        int,
        Meta(
            ge=0,
            description="A conversation in which nobody, person or agent, wrote for so many seconds is "
            "deleted; 0: never.",
        ),
    ] = 0
    redis: RedisSettings = RedisSettings()
    tracing: TracingSettings = TracingSettings()
    logs: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        """Raise ValueError for a death that one missed look would cause."""
        if self.presence_dead_after_s < 2 * self.presence_sweep_s:
            raise ValueError(
                f"presence_dead_after_s {self.presence_dead_after_s} must be at least two sweeps of "
                f"{self.presence_sweep_s}"
            )
