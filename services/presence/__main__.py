"""`python -m services.presence`: the presence service as a process."""

import sys

from services.presence.app import start
from services.shared.runtime.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("presence", start))
