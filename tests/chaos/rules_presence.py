"""Presence: who is back within the grace never left, and at the end those are present who are there. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import (
    Connected,
    Connecting,
    DeviceLine,
    Disconnected,
    Left,
    Life,
    Settled,
    Subscribed,
    Subscribing,
    Unsubscribed,
)
from tests.chaos.violations import Kind, Violation

GRACE_S = 10.0
"""How long a user may be away before others are told (CONTINUO_GRACE_S as it comes)."""
SLACK_S = 2.0
"""Between a device's notes and the server's clock: an absence so much shorter than the grace may be told."""
LATE_S = 30.0
"""A leave is told at most so long after its absence: the grace, ten seconds more, and a busy machine."""

Stay = tuple[float, float]
Stays = dict[str, list[Stay]]
"""By conversation: from when to when a device followed it."""


def presence(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Every leave that was none, every ghost, and everybody who is there and not present."""
    stays = stays_by_user(history.devices)
    for device, lines in history.devices.items():
        for line in lines:
            if isinstance(line, Left):
                away_s = longest_absence(stays[line.user].get(line.conversation, []), line.t)
                if away_s < GRACE_S - SLACK_S:
                    told = f"{line.user} was said to have left and was away for {away_s:.1f} s at most"
                    yield Violation(Kind.PRESENCE, line.conversation, device, told, line.t)
    following = by_conversation(history.devices)
    for name, ground in grounds.items():
        if ground.told.roster is not None:
            yield from _at_the_end(name, set(ground.told.roster), following.get(name, {}))


def by_conversation(
    devices: Mapping[str, Sequence[DeviceLine]],
) -> dict[str, dict[str, Sequence[DeviceLine]]]:
    """The devices that ever followed each conversation, with all their lines."""
    found: dict[str, dict[str, Sequence[DeviceLine]]] = defaultdict(dict)
    for device, lines in devices.items():
        for conversation in {line.conversation for line in lines if isinstance(line, Subscribed)}:
            found[conversation][device] = lines
    return found


def _at_the_end(
    conversation: str, roster: set[str], devices: Mapping[str, Sequence[DeviceLine]]
) -> Iterator[Violation]:
    here = followers(devices, conversation)
    for ghost in sorted(roster - here.keys()):
        yield Violation(Kind.PRESENCE, conversation, ghost, "the connection is gone and still present")
    for missing in sorted(here.keys() - roster):
        yield Violation(Kind.PRESENCE, conversation, here[missing], "the device is there and not present")


def followers(devices: Mapping[str, Sequence[DeviceLine]], conversation: str) -> dict[str, str]:
    """The connections that follow a conversation at the end, and whose devices they are."""
    clients = {_client_at_the_end(lines, conversation): device for device, lines in devices.items()}
    return {client: device for client, device in clients.items() if client is not None}


def _client_at_the_end(lines: Sequence[DeviceLine], conversation: str) -> str | None:
    """The connection by which a device follows a conversation before it leaves; None: by none."""
    client, follows = "", False
    for line in lines[: _left_at(lines)]:
        if isinstance(line, Connected):
            client = line.client
        elif isinstance(line, Subscribed) and line.conversation == conversation:
            follows = True
        elif _ends(line, conversation):
            follows = False
    return client if follows else None


def _left_at(lines: Sequence[DeviceLine]) -> int:
    """Where a device that has settled leaves by its own wish, as its last deed; else the end of its lines."""
    place = len(lines)
    while place and isinstance(lines[place - 1], Disconnected | Subscribing):
        place -= 1
    behind = lines[place:]
    leaves = any(isinstance(line, Disconnected) and line.code == 0 for line in behind)
    return place if leaves and any(isinstance(line, Settled) for line in lines) else len(lines)


def stays_by_user(devices: Mapping[str, Sequence[DeviceLine]]) -> dict[str, Stays]:
    """When each user followed what, by any of its devices."""
    found: dict[str, Stays] = defaultdict(lambda: defaultdict(list))
    for lines in devices.values():
        user = next((line.user for line in lines if isinstance(line, Life)), "")
        for conversation, stays in stays_of(lines).items():
            found[user][conversation] += stays
    return found


def stays_of(lines: Sequence[DeviceLine]) -> Stays:
    """When a device followed what."""
    stays: Stays = defaultdict(list)
    since: dict[str, float] = {}
    for line in lines:
        for conversation in [each for each in since if _ends(line, each)]:
            stays[conversation].append((since.pop(conversation), line.t))
        if isinstance(line, Subscribed):
            since.setdefault(line.conversation, line.t)
    for conversation, begun in since.items():
        stays[conversation].append((begun, float("inf")))
    return stays


def _ends(line: DeviceLine, conversation: str) -> bool:
    """Whether a device follows a conversation no longer from this line on."""
    if isinstance(line, Life | Connecting | Disconnected):
        return True
    return isinstance(line, Subscribing | Unsubscribed) and line.conversation == conversation


def longest_absence(stays: Sequence[Stay], until: float) -> float:
    """For how long in a row none of the stays lasted, of absences that were on in the last `LATE_S` before
    `until`; infinite where there was no stay yet.
    """
    before = sorted(stay for stay in stays if stay[0] < until)
    if not before:
        return float("inf")
    longest, end = 0.0, before[0][1]
    for begin, over in [*before[1:], (until, until)]:
        if begin > until - LATE_S:
            longest = max(longest, begin - end)
        end = max(end, over)
    return longest
