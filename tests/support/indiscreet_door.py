"""A connection process that logs its frames, for the control of a test that searches what comes out."""

import logging
import sys

from services.connection import gateway
from services.connection.__main__ import main

if __name__ == "__main__":
    gateway.quiet.setLevel(logging.DEBUG)
    sys.exit(main())
