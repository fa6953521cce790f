"""Names of things: identifiers, channels and the partition a key lives in.

Every room uses these; nothing here reads a clock or a random source.
"""

import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
TurnId = NewType("TurnId", str)
AttemptId = NewType("AttemptId", str)
ConnectionId = NewType("ConnectionId", str)
NodeId = NewType("NodeId", str)
UserId = NewType("UserId", str)
"""Who does or said something: a user; where it may, a service, too (`is_service`)."""
AgentName = NewType("AgentName", str)

_USER = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_SERVICE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_AGENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

SERVICE_PREFIX = "service:"
"""How a back end that acts as itself is called; in no user id. lua/may.lua has it, too."""

ENTROPY_BYTES = 10
"""How many random bytes one UUIDv7 takes (74 of the 80 bits are used)."""


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Make a UUIDv7 (RFC 9562) from milliseconds since 1970 and `ENTROPY_BYTES` random bytes, as lower-case
    text.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a UUIDv7 takes {ENTROPY_BYTES} bytes of entropy, got {len(entropy)}")
    noise = int.from_bytes(entropy, "big")
    value = (unix_ms & (1 << 48) - 1) << 80 | 0x7 << 76
    value |= (noise >> 62 & 0xFFF) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    return str(UUID(int=value))


def is_uuid(text: str) -> bool:
    """Tell whether `text` is a UUID in its canonical lower-case form, as all ids made by Continuo are."""
    return _UUID.fullmatch(text) is not None


def is_uuid7(text: str) -> bool:
    """Tell whether `text` is a UUIDv7 in lower case, which says when it was made."""
    return _UUID7.fullmatch(text) is not None


def made_ms(uuid: str) -> int:
    """Return when a UUIDv7 was made, in milliseconds since 1970, by the clock of whoever made it."""
    return int(uuid[:8] + uuid[9:13], 16)


def is_user(text: str) -> bool:
    """Tell whether `text` can name a user: 1 to 64 of letters, digits, `_ . @ -`."""
    return _USER.fullmatch(text) is not None


def is_service(text: str) -> bool:
    """Tell whether `text` can name a back end that acts as itself: `service:` and 1 to 32 of letters, digits,
    `_ -`, the name of its key.
    """
    return text.startswith(SERVICE_PREFIX) and is_key_name(text.removeprefix(SERVICE_PREFIX))


def is_key_name(text: str) -> bool:
    """Tell whether `text` can name a back end's key: 1 to 32 of letters, digits, `_ -`."""
    return _SERVICE.fullmatch(text) is not None


def is_actor(text: str) -> bool:
    """Tell whether `text` can name somebody who does something: a user, or a service."""
    return is_user(text) or is_service(text)


def service_actor(key: str) -> UserId:
    """What the back end with this key is called when it acts as itself. Raises ValueError for no key's
    name.
    """
    if not is_key_name(key):
        raise ValueError(f"{key!r} is not the name of a key: 1 to 32 of letters, digits, _ -")
    return UserId(SERVICE_PREFIX + key)


def is_agent(text: str) -> bool:
    """Tell whether `text` can name an agent: 1 to 64 of letters, digits, `_ -`."""
    return _AGENT.fullmatch(text) is not None


def partition_of(key: str, partitions: int) -> int:
    """Return the partition (0 to partitions-1) that owns a conversation or user id; fixed for the life of the
    data.
    """
    return zlib.crc32(key.encode()) % partitions


class ChannelKind(StrEnum):
    """What a channel follows."""

    CONVERSATION = "conversation"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Channel:
    """One ordered log that devices follow: a conversation's, or what happened elsewhere to one user."""

    kind: ChannelKind
    id: str

    @property
    def name(self) -> str:
        """The channel's name in the client protocol: `conversation:<id>` or `#<user>`."""
        return f"conversation:{self.id}" if self.kind is ChannelKind.CONVERSATION else f"#{self.id}"

    @classmethod
    def of_conversation(cls, conversation: str) -> "Channel":
        """The channel of a conversation."""
        return cls(ChannelKind.CONVERSATION, conversation)

    @classmethod
    def of_user(cls, user: str) -> "Channel":
        """The channel of a user."""
        return cls(ChannelKind.USER, user)

    @classmethod
    def parse(cls, name: str) -> "Channel | None":
        """Read a channel name of the client protocol; None when it names nothing Continuo has."""
        if name.startswith("conversation:"):
            conversation = name.removeprefix("conversation:")
            return cls.of_conversation(conversation) if is_uuid(conversation) else None
        if name.startswith("#") and is_user(name[1:]):
            return cls.of_user(name[1:])
        return None
