"""Recovery: a position that the journal serves is taken on, one that it does not serve never is. Pure."""

from collections.abc import Iterator, Mapping

from tests.chaos.ground import Ground, last_of, serves
from tests.chaos.history import History
from tests.chaos.records import About, DeviceLine, Fault, Life, Subscribed, SubscribeError
from tests.chaos.standing import UNRECOVERABLE, Standing
from tests.chaos.violations import Kind, Violation

EXCUSES = "redis.emptied"
"""A fault after which no position needs to be served."""


def positions(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Judge the reply to every recovery."""
    emptied = [fault.t for fault in history.faults if isinstance(fault, Fault) and fault.fault == EXCUSES]
    for device, lines in history.devices.items():
        standings: dict[str, Standing] = {}
        for line in lines:
            if isinstance(line, Life):
                standings.clear()
            elif isinstance(line, About) and line.conversation in grounds:
                standing = standings.setdefault(line.conversation, Standing())
                if not any(t <= line.t for t in emptied):
                    for kind, detail in _judge(line, standing, grounds[line.conversation]):
                        yield Violation(kind, line.conversation, device, detail, line.t)
                standing.take(line)


def _judge(line: DeviceLine, standing: Standing, ground: Ground) -> Iterator[tuple[Kind, str]]:
    stood = standing.position
    if stood is None or not stood.epoch:
        return
    where = f"{stood.epoch} {stood.offset}"
    served = serves(ground.head, stood)
    match line:
        case SubscribeError(code=code) if code == UNRECOVERABLE and served:
            yield Kind.RECOVERED_FALSE, f"112 for {where}, which the journal serves"
        case Subscribed(was_recovering=True, recovered=False) if served:
            yield Kind.RECOVERED_FALSE, f"not recovered from {where}, which the journal serves"
        case Subscribed(recovered=True) if not served and not ground.trimmed(stood.offset):
            last = last_of(ground.head, stood.epoch)
            yield Kind.LOST, f"recovered from {where}, an epoch whose last offset is {last}"
