"""`python -m tests.rollout.launched services.connection`: a service of this release, or of the one to come.

Started by `house` and `pods` as each service process. A worker gets the failure campaign's graph, which notes
what it ran; in a control run one protection is taken out of connection servers.
"""

import os
import runpy
import sys
from pathlib import Path

from tests.chaos.journaling import Notes
from tests.chaos.launched import take_the_campaigns_graph
from tests.rollout import next_release, sabotage
from tests.rollout.ways import NEXT

FOLDER = "ROLLOUT_FOLDER"
PROCESS = "ROLLOUT_PROCESS"
RELEASE = "ROLLOUT_RELEASE"
WITHOUT = "ROLLOUT_WITHOUT"


def main() -> None:
    """Be the service that is asked for."""
    module = sys.argv[1]
    if os.environ.get(RELEASE) == NEXT:
        next_release.install(setattr)
    if module == "services.conversation":
        folder, process = Path(os.environ[FOLDER]), os.environ[PROCESS]
        take_the_campaigns_graph(Notes(folder / "history" / "runs" / f"{process}.jsonl"))
    if protection := os.environ.get(WITHOUT):
        sabotage.PROTECTIONS[protection]()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
