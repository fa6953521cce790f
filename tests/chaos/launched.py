"""`python -m tests.chaos.launched services.connection`: a service as it is, with the campaign's hooks in it.

Started by `stage` as each service process. Fault points are installed, a worker gets the campaign's graph,
and in a control run one protection is taken out; then the service's own `__main__` runs.
"""

import os
import runpy
import sys
from pathlib import Path
from unittest.mock import patch

from tests.chaos import faultpoints, sabotage
from tests.chaos.journaling import Notes

FOLDER = "CHAOS_FOLDER"
PROCESS = "CHAOS_PROCESS"
WITHOUT = "CHAOS_WITHOUT"


def main() -> None:
    """Install what the environment asks for and be the service."""
    module = sys.argv[1]
    service = module.rpartition(".")[2]
    folder, process = Path(os.environ[FOLDER]), os.environ[PROCESS]
    if service == "conversation":
        take_the_campaigns_graph(Notes(folder / "history" / "runs" / f"{process}.jsonl"))
    if service == "presence":
        from tests.chaos.sweeping import note_sweeps  # noqa: PLC0415 - only presence has what this needs

        note_sweeps(Notes(folder / "history" / "sweeps" / f"{process}.jsonl"))
    faultpoints.install(service, faultpoints.Armed(folder / "arm" / process))
    if protection := os.environ.get(WITHOUT):
        sabotage.install(protection)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def take_the_campaigns_graph(notes: Notes) -> None:
    """Give the worker that this process is about to be the campaign's graph."""
    from services.conversation import app  # noqa: PLC0415 - only a worker has what this needs
    from services.conversation.settings import WorkerSettings  # noqa: PLC0415
    from tests.chaos import graph  # noqa: PLC0415

    confirmers = graph.confirmers_by_checkpoints()
    graph.note_what_is_stored(notes, confirmers)

    def campaigns(settings: WorkerSettings) -> graph.Graph:
        return graph.build(notes, settings.token_ms / 1000)

    patch.object(app, "_built_in", campaigns).start()  # fails when the service has no such seam any more


if __name__ == "__main__":
    main()
