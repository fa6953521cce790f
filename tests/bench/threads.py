"""What it costs that a graph's thread is kept: with LangGraph's in-memory saver, with
langgraph-checkpoint-redis as shipped, and with ours, in one run.

Called by run. The savers work in a process of their own (threads_child), alone on its core.
"""

import msgspec

from tests.bench import threads_kept
from tests.bench.rig import ROOT, SERVER_CORE, Process, Rig
from tests.bench.threads_figures import Around, Crowd, StockThread, Threads, Turn

PARTS = {"turns": Turn, "lengths": Turn, "around": Around, "crowds": Crowd, "stock": StockThread}


async def measure(rig: Rig) -> Threads:
    """Measure all of it; about a minute."""
    _, port = rig.redis.address(rig.redis.master)
    arguments = (str(ROOT / "tests/bench/threads_child.py"), rig.redis.sentinels, str(port), *PARTS)
    child = Process(*arguments, core=SERVER_CORE, log=rig.folder / "threads.log")
    figures = {}
    try:
        for part, kind in PARTS.items():
            print(f"  {part} ...", flush=True)
            child.go()
            figures[part] = msgspec.convert((await child.said())[part], tuple[kind, ...])  # type: ignore[valid-type]
    finally:
        child.end()
    print("  a conversation of 300 messages ...", flush=True)
    kept = await threads_kept.measure(rig)
    stock = figures.pop("stock")[0]
    return Threads(**figures, stock=stock, kept=kept)
