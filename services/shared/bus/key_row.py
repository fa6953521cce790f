"""A row of the table of keys: what can be said of one kind of key. The rows are in `key_rows_*`. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """Whose a key is: what must be there for it to be there."""

    CONVERSATION = "conversation"
    USER = "user"
    NODE = "node"
    PROCESS = "process"
    PARTITION = "partition"
    HOUSE = "the whole house"
    GRAPHS = "graphs"


class Names(StrEnum):
    """Where a key's content names conversations, which must be there."""

    NOWHERE = ""
    FIELDS = "fields"
    MEMBERS = "members"


HASH, STREAM, STRING, ZSET, LIST = "hash", "stream", "string", "zset", "list"
JSON, CHANNEL, INDEX = "ReJSON-RL", "pub/sub", "index"
KEYLESS = frozenset({CHANNEL, INDEX})
"""Types of names that are no keys."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of key.

    type: as TYPE says. ends: how, in words. expires: it must have a TTL. most: a bound of its length, by the
    name of the limit. names: where its content names conversations.
    """

    pattern: str
    type: str
    owner: Owner
    ends: str
    holds: str
    expires: bool = False
    most: str = ""
    names: Names = Names.NOWHERE
