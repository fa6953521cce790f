"""`python -m services.conversation`: be one conversation worker."""

import os
import sys

from services.conversation.app import start
from services.conversation.settings import WorkerSettings
from services.shared.runtime.lifecycle import run
from services.shared.runtime.settings import SettingsError, load

HAND_OVER_S = 5.0
"""What the end takes beyond the time running turns get."""
LEAVES_S = 1.0
"""What threads of graphs, and libraries that do something at a process's exit, get beyond that."""


def main() -> int:
    """Return the exit code."""
    try:
        settings = load(WorkerSettings, os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    close_within_s = settings.drain_s + HAND_OVER_S
    return run("conversation", start, close_within_s=close_within_s, leave_within_s=LEAVES_S)


if __name__ == "__main__":
    sys.exit(main())
