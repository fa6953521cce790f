"""`python -m services.connection`: be one connection process."""

import os
import sys

from services.connection.app import start
from services.connection.gateway import CLOSE_TIMEOUT_S
from services.connection.settings import ConnectionSettings
from services.shared.runtime.lifecycle import run
from services.shared.runtime.settings import SettingsError, load

AFTER_DRAIN_S = CLOSE_TIMEOUT_S + 4
"""What the end takes beyond the drain: the last close handshakes, the roster, Redis."""


def main() -> int:
    """Return the exit code."""
    try:
        settings = load(ConnectionSettings, os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    return run("connection", start, close_within_s=settings.propagation_s + settings.drain_s + AFTER_DRAIN_S)


if __name__ == "__main__":
    sys.exit(main())
