"""A connection process as it is started, but that its drain breaks when it is to send somebody away."""

import sys
from unittest.mock import patch

from services.connection.__main__ import main
from services.connection.reception import Reception
from tests.support.draining import Pod


class OddPod(Pod):
    """Such a process, as a test sees it."""

    MODULE = __name__


def _breaks(_: Reception, __: int) -> int:
    raise ZeroDivisionError("nobody is sent away")


if __name__ == "__main__":
    with patch.object(Reception, "part", _breaks):
        sys.exit(main())
