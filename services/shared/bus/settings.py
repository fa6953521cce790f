"""How to reach Redis and how much to keep there. Read by `runtime.settings.load`; passed as an argument,
never a global.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.shared.runtime.settings import Secret

Acks = Literal["replica", "master"]
"""When an acceptance counts: once a replica holds it, or once the master does."""

_ACKS = Meta(
    description='When a write counts: "replica" survives the loss of the master; "master" is faster.',
    extra={"env": "CONTINUO_ACKS"},
)


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Redis is, what an acknowledgement means, and the bounds of what is kept."""

    redis_sentinels: Annotated[tuple[str, ...], Meta(description="The Sentinels, host:port each.")] = (
        "127.0.0.1:26379",
    )
    redis_master: Annotated[str, Meta(description="The name the Sentinels know the master by.")] = "continuo"
    redis_username: Annotated[str, Meta(description="ACL user on the data servers; empty: the default.")] = ""
    redis_password: Annotated[Secret, Meta(description="Its password; empty: none.")] = Secret("")
    redis_sentinel_password: Annotated[
        Secret, Meta(description="The Sentinels' own password; empty: none.")
    ] = Secret("")
    acks: Annotated[Acks, _ACKS] = "replica"
    partitions: Annotated[
        int, Meta(ge=1, le=4096, description="Buckets of conversations; fixed for the life of the data.")
    ] = 64
    redis_wait_ms: Annotated[
        int,
        Meta(
            ge=1, le=1900, description="How long a write waits for a replica; below the 2 s socket timeout."
        ),
    ] = 1500
    redis_deadline_s: Annotated[
        float,
        Meta(gt=0, description="One command with all its retries; longer than a failover of 4 to 5 s."),
    ] = 12.0
    redis_command_connections: Annotated[
        int, Meta(ge=2, description="Sockets for commands; callers beyond that wait their turn.")
    ] = 32
    redis_blocking_connections: Annotated[
        int, Meta(ge=2, description="Sockets for blocking reads and pub/sub.")
    ] = 16
    journal_length: Annotated[
        int,
        Meta(ge=1, description="Entries a journal keeps, deltas included; devices behind it read history."),
    ] = 2000
    journal_ttl_s: Annotated[
        int, Meta(ge=1, description="A conversation's journal nobody wrote to for so long is dropped.")
    ] = 7 * 86_400
    user_ttl_s: Annotated[int, Meta(ge=1, description="The same for the journals of #user channels.")] = (
        30 * 86_400
    )
    reply_bytes: Annotated[
        int, Meta(ge=65_536, description="Events or messages one page of history holds, in bytes.")
    ] = 524_288
    recovery_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            description="Events one recovery brings, in bytes; who missed more is not recovered and reads "
            "history anew. Well above an outbox, so that whoever was too slow comes back without a loss.",
        ),
    ] = 16 * 1024 * 1024
    fifo_length: Annotated[
        int, Meta(ge=1, description="Turns that may wait in one conversation before it is full.")
    ] = 100
    dead_letters: Annotated[
        int, Meta(ge=1, description="Dead letters one partition keeps; the oldest make room.")
    ] = 1000
    dead_letters_ttl_s: Annotated[
        int, Meta(ge=60, description="For so long a failed turn can be looked at and replayed.")
    ] = 14 * 86_400

    accept_window_s: Annotated[
        int,
        Meta(
            ge=60,
            le=30 * 86_400,
            description="How far a message id's own time may be from Redis' clock; a repeat is known for at "
            "least so long. To lengthen it, at most double it, and wait for the old length before the next "
            "time: ids taken before were remembered for twice the old one.",
        ),
    ] = 86_400

    audit: Annotated[
        Literal["on", "off"],
        Meta(description='"off": nothing more is written to the audit log; what stands there goes by age.'),
    ] = "on"
    audit_days: Annotated[
        int, Meta(ge=1, le=36_500, description="For so many days an entry of the audit log is kept.")
    ] = 90
    audit_length: Annotated[
        int,
        Meta(
            ge=1,
            description="Entries the audit log keeps, all partitions together, each an equal share; a tenth "
            "more for who was denied. The oldest make room.",
        ),
    ] = 1_000_000

    presence_large: Annotated[
        int,
        Meta(
            ge=1,
            description="Where more users than that are present, joins and leaves are told as numbers.",
        ),
    ] = 200
    presence_coalesce_s: Annotated[
        float, Meta(ge=0, description="Seconds between two such numbers of one conversation, at least.")
    ] = 2.0

    messages_kept: Annotated[
        int,
        Meta(ge=0, description="Messages one conversation keeps; beyond that the oldest go. 0: all of them."),
    ] = 100_000

    def __post_init__(self) -> None:
        """Refuse addresses that are none."""
        self.sentinel_addresses()

    def sentinel_addresses(self) -> list[tuple[str, int]]:
        """Return the Sentinels as (host, port); raise ValueError naming the part that is no address."""
        return [_address(part) for part in self.redis_sentinels]

    def journal_args(self) -> list[int]:
        """ARGV[1] and ARGV[2] of every script that appends to a conversation's journal: length bound, TTL in
        seconds.
        """
        return [self.journal_length, self.journal_ttl_s]

    def user_journal_args(self) -> list[int]:
        """The same for a `#user` journal."""
        return [self.journal_length, self.user_ttl_s]

    def dead_letter_args(self) -> list[int]:
        """The two arguments of every script that keeps dead letters: length bound, TTL in seconds."""
        return [self.dead_letters, self.dead_letters_ttl_s]

    def crowd_args(self) -> list[int]:
        """The two arguments of every script that tells joins and leaves: users present above which numbers
        are told, and the least milliseconds between them.
        """
        return [self.presence_large, int(self.presence_coalesce_s * 1000)]

    def audited(self) -> int:
        """Deeds one partition's audit log keeps."""
        return max(1, self.audit_length // self.partitions)

    def audited_denials(self) -> int:
        """Denials one partition's audit log keeps."""
        return max(1, self.audited() // 10)


def _address(part: str) -> tuple[str, int]:
    host, _, port = part.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{part!r} in CONTINUO_REDIS_SENTINELS is not host:port")
    return host, int(port)
