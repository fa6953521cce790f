"""The checker: compares what devices were handed with what the house holds, and names every broken promise.

`python -m tests.chaos.checker <history folder>` prints them and exits 1 if there are any. Pure but for
reading the folder: no Redis, no clock, no services running. `README.md` beside this file says what each kind
means.
"""

import sys
from pathlib import Path

from tests.chaos.ground import Ground
from tests.chaos.history import History, HistoryError, load
from tests.chaos.records import Acked, Pub
from tests.chaos.rules_acks import acknowledgements
from tests.chaos.rules_answers import answers
from tests.chaos.rules_connections import connections
from tests.chaos.rules_delivery import delivery
from tests.chaos.rules_members import members
from tests.chaos.rules_people import people
from tests.chaos.rules_positions import positions
from tests.chaos.rules_presence import presence
from tests.chaos.rules_runs import runs
from tests.chaos.rules_threads import threads
from tests.chaos.rules_turns import turns
from tests.chaos.violations import Violation

RULES = (delivery, positions, acknowledgements, turns, threads, runs, members, people, presence)


def check(
    history: History, *, nobody_disconnected: bool = False, nothing_fails: bool = False
) -> list[Violation]:
    """Return every violation, in the order of time; those of the end come last.

    nobody_disconnected: also judge lost connections, for runs whose only faults are Redis's. nothing_fails:
    also judge refusals, failures and what was not answered, for whole runs in which nobody does wrong.
    """
    grounds = {name: Ground(told) for name, told in history.truth.conversations.items()}
    rules = [*RULES, *[connections] * nobody_disconnected, *[answers] * nothing_fails]
    found = {violation: None for rule in rules for violation in rule(history, grounds)}
    return sorted(found, key=lambda one: (one.t is None, one.t or 0.0))


def main(arguments: list[str]) -> int:
    """Print the violations of a history; 1 if there are any, 2 if it can't be read."""
    flags = {argument for argument in arguments if argument.startswith("--")}
    folders = [argument for argument in arguments if argument not in flags]
    if len(folders) != 1 or flags - {"--nobody-disconnected"}:
        print(
            "usage: python -m tests.chaos.checker <history folder> [--nobody-disconnected]", file=sys.stderr
        )
        return 2
    try:
        history = load(Path(folders[0]))
    except HistoryError as error:
        print(error, file=sys.stderr)
        return 2
    found = check(history, nobody_disconnected=bool(flags))
    for violation in found:
        print(violation)
    print(f"{len(found) or 'no'} violations {_judged(history)}")
    return 1 if found else 0


def _judged(history: History) -> str:
    """What there was to judge: of an empty history nothing is said by finding nothing."""
    lines = [line for file in history.devices.values() for line in file]
    events = sum(isinstance(line, Pub) for line in lines)
    acks = sum(isinstance(line, Acked) for line in lines)
    return f"in {events} events and {acks} acknowledgements of {len(history.devices)} devices"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
