"""What a connection process can be told. Read once by __main__.py, passed on as one frozen object."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.connection.core.admission import Limits
from services.connection.core.drain import Terms
from services.connection.core.pacing import Rates
from services.connection.drain import Manner
from services.connection.tokens import TokenSettings
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.log_settings import LogSettings
from services.shared.runtime.tracing import TracingSettings

MOST_A_SECOND = 1e6
"""Closes; more is no bound at all, and infinity no number that Redis could count with."""


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Address, limits and the end of a connection process."""

    redis: RedisSettings
    tokens: TokenSettings
    tracing: TracingSettings = TracingSettings()
    logs: LogSettings = LogSettings()
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0: any free one.")] = 8000
    node: Annotated[
        str, Meta(description="This process's name in the fleet; empty: a new one at every start.")
    ] = ""
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins browsers may connect from, or *; clients that send none are let in."),
    ] = ("*",)
    max_connections: Annotated[
        int,
        Meta(
            ge=0,
            description="Most connections (C): the next handshake gets 503, and the process is not ready "
            "while it is full; 0: no bound.",
        ),
    ] = 0
    max_message_bytes: Annotated[
        int, Meta(ge=1024, description="Largest message taken from a client (1009 above it).")
    ] = 65_536
    max_channels: Annotated[
        int, Meta(ge=1, description="Subscriptions one connection may have (error 106 above it).")
    ] = 128
    stale_s: Annotated[
        float, Meta(gt=0, description="A connection without a successful connect in this time ends (3502).")
    ] = 10.0
    ping_s: Annotated[int, Meta(ge=1, description="Between pings to a client.")] = 25
    pong_s: Annotated[
        float, Meta(gt=0, description="Without a pong in this time a connection ends (3012); below ping_s.")
    ] = 8.0
    queue_length: Annotated[
        int,
        Meta(
            ge=1,
            description="Turns that may wait or run in all conversations together before messages to agents "
            "are refused (error 111); CONTINUO_FIFO_LENGTH bounds each conversation.",
        ),
    ] = 10_000
    outbox_bytes: Annotated[
        int, Meta(ge=65_536, description="Unsent bytes above which a device is closed as slow (3008).")
    ] = 1 << 20
    burst_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=49_152,
            description="Frames shown at once are joined into writes of this size; 0: each goes alone.",
        ),
    ] = 32_768
    grace_s: Annotated[
        float, Meta(ge=0, description="How long a user may be away before others are told of a leave.")
    ] = 10.0
    pages_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(
            description="Port of /livez, /readyz, /health and /metrics, which are nowhere else then; empty: "
            "they are on the port of clients.",
        ),
    ] = None
    admin_port: Annotated[
        int, Meta(ge=0, le=65535, description="Admin port, open where CONTINUO_ADMIN_TOKEN_FILE is set.")
    ] = 8081
    admin_host: Annotated[str, Meta(description="Its address; empty: CONTINUO_HOST.")] = ""
    admin_token_file: Annotated[
        str,
        Meta(
            description="File of the admin port's tokens, one a line, any of them good; read anew at each "
            "request. Empty: no admin port."
        ),
    ] = ""
    api_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Port of the API for back ends, open where CONTINUO_API_KEYS_FILE is set; 0: any "
            "free one.",
        ),
    ] = 8090
    api_host: Annotated[str, Meta(description="Its address; empty: CONTINUO_HOST.")] = ""
    api_keys_file: Annotated[
        str,
        Meta(
            description="File of the API's keys, one a line: `name:SHA-256 of the key in hex`, as `continuo "
            "apikey` makes it; read anew at each request. Empty: no API."
        ),
    ] = ""
    api_requests: Annotated[
        int, Meta(ge=1, description="Requests of back ends done at once; the next one gets 503.")
    ] = 256
    fleet: Annotated[
        str,
        Meta(pattern="^[A-Za-z0-9._-]{1,253}$", description="Name of the fleet: whose drain budget is used."),
    ] = "default"
    fleet_rate: Annotated[
        float,
        Meta(
            ge=0,
            le=MOST_A_SECOND,
            description="Closes per second of all draining pods of the fleet (R); 0: no budget.",
        ),
    ] = 0.0
    pod_rate: Annotated[
        float,
        Meta(ge=0, le=MOST_A_SECOND, description="Most closes per second of this process (r); 0: no bound."),
    ] = 0.0
    propagation_s: Annotated[
        float,
        Meta(
            ge=0,
            le=300,
            description="Lame duck: so long after SIGTERM late handshakes are served, until the word that "
            "this process goes has reached everybody.",
        ),
    ] = 0.0
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="From the end of the lame duck until all connections are closed (3001), whatever the "
            "rates say.",
        ),
    ] = 15.0

    def drains(self) -> Manner:
        """How this process drains."""
        return Manner(
            Terms(self.propagation_s, self.drain_s), Rates(self.pod_rate, self.fleet_rate), self.fleet
        )

    def limits(self) -> Limits:
        """Return what one connection may have. Raises ValueError when the settings contradict each other."""
        return Limits(
            message_bytes=self.max_message_bytes,
            channels=self.max_channels,
            stale_s=self.stale_s,
            ping_s=self.ping_s,
            pong_s=self.pong_s,
        )

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        self.limits()
