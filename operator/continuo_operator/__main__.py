"""`python -m continuo_operator`: the operator as a process."""

import sys

from continuo_operator.app import start
from services.shared.runtime.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("operator", start))
