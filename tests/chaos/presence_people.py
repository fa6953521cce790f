"""Who takes part in a run of `presence_play`: devices that stay, and people of whom some do not come back."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.crowd import Crowd, Group

EACH = 5
"""Devices of a conversation, of three users; where somebody does not come back, that is one more."""
GROUPS = 3


@dataclass(frozen=True, slots=True)
class Size:
    """Devices that stay; people, with one each, who are lost with their server; and those who go by day."""

    stay: int
    lose: int
    quit: int

    @classmethod
    def of(cls, devices: int) -> "Size":
        """Of so many in all, one of 12 and one of 25 do not come back."""
        lose, leave = devices // 12, devices // 25
        return cls(devices - lose - leave, lose, leave)


@dataclass(frozen=True, slots=True)
class People:
    """Those who stay; those who will be lost, all at the first server; those who will go; those whose tokens
    will be revoked.
    """

    staying: Crowd
    lost: Group
    quitting: Group
    expelled: Group


def people(
    plan: dict[str, Any],
    logs: Path,
    size: Size,
    conversations: Sequence[str],
    addresses: list[str],
    dice: random.Random,
) -> People:
    """All of them, in conversations by turns. addresses: of the servers, past the links."""

    def device(name: str, user: str, place: int, servers: list[str]) -> dict[str, Any]:
        conversation = conversations[place % len(conversations)]
        about = {"name": name, "user": user, "servers": servers, "conversations": [conversation]}
        return {**about, "talks": False}

    def group(name: str, devices: list[dict[str, Any]]) -> Group:
        return Group(name, {**plan, "devices": devices}, logs)

    count, there, back = len(conversations), addresses, addresses[::-1]
    stay = [
        device(f"device-{n}", f"user-{n % count}-{n // count % 3}", n, dice.choice((there, back)))
        for n in range(size.stay)
    ]
    lost = [device(name, name, n, there[:1]) for n, name in enumerate(users_of("lost", size.lose))]
    going = [device(name, name, n, there) for n, name in enumerate(users_of("quit", size.quit))]
    expelled = [
        device(name, name, n, (there, back)[n % 2]) for n, name in enumerate(users_of("revoked", size.lose))
    ]
    staying = [group(f"devices-{number + 1}", stay[number::GROUPS]) for number in range(GROUPS)]
    return People(Crowd(staying), group("lost", lost), group("quit", going), group("revoked", expelled))


def users_of(kind: str, count: int) -> list[str]:
    """So many people of a kind, each with one device of that name."""
    return [f"{kind}-{number}" for number in range(count)]
