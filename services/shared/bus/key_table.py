"""The table of all keys in Redis: content, type, owner, end. docs/keys.md is made from it.

`keys` spells the names, this table says what each stands for; `key_faults` judges a key by its row. A key
that no row matches has no owner, and the scan names it. Pure. Must never match a key by two rows.

In a pattern `{p}` is the hash tag of partition n, `{p<n>}`: all keys of one conversation (or one user) share
it, so one script can touch them, and a whole partition can move to another master. What concerns two
partitions goes through the outbox.
"""

import re
from dataclasses import dataclass, field
from functools import cache

from services.shared.bus.key_row import KEYLESS, Owner, Row
from services.shared.bus.key_rows_conversation import CONVERSATION, of_conversations, of_stock_threads
from services.shared.bus.key_rows_house import of_partitions, of_the_house, of_users


@dataclass(frozen=True, slots=True)
class Match:
    """A key read by its row; `partition` -1 and names empty where the pattern has none."""

    row: Row
    partition: int = -1
    of: dict[str, str] = field(default_factory=dict)


ROWS: tuple[Row, ...] = (
    *of_conversations(),
    *of_users(),
    *of_partitions(),
    *of_stock_threads(),
    *of_the_house(),
)
"""Every kind of key, in the order of the page."""

_PLACES = {
    "{p}": r"\{p(?P<partition>\d+)\}",
    "<conversation>": r"(?P<conversation>[^:.]+)",
    "<user>": r"(?P<user>[^:]+)",
    "<node>": r"(?P<node>[^:]+)",
    "<agent>": r"[^:]*",
    "<digest>": r"[0-9a-f]+",
    "<number>": r"\d+",
    "<key>": r".+",
    "<rest>": r".+",
}
_PLACE = re.compile(r"(\{p\}|<\w+>)")


def match(key: str) -> Match | None:
    """Find the row a key is of; None: it is none of ours."""
    for row in ROWS:
        if row.type not in KEYLESS and (found := _expression(row.pattern).fullmatch(key)):
            of = {name: value for name, value in found.groupdict().items() if name != "partition"}
            return Match(row, int(found.groupdict().get("partition") or -1), of)
    return None


def whole_keys(base: str) -> list[str]:
    """The keys a conversation has once, beside its head; `base` is the head's. Whoever deletes it drops them
    all, so a new one needs no more than its row.
    """
    suffixes = [
        row.pattern.removeprefix(CONVERSATION)
        for row in ROWS
        if row.owner is Owner.CONVERSATION and _is_whole(row)
    ]
    return [f"{base}{suffix}" for suffix in suffixes]


def _is_whole(row: Row) -> bool:
    suffix = row.pattern.removeprefix(CONVERSATION)
    return row.type not in KEYLESS and suffix.startswith(":") and "<" not in suffix


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = _PLACE.split(pattern)
    # every second part is a place; what has no form of its own is a word without a colon
    places = [
        _PLACES.get(each, r"[^:]+") if index % 2 else re.escape(each) for index, each in enumerate(parts)
    ]
    return re.compile("".join(places), re.DOTALL)
