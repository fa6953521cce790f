"""Waiting for a thread of ours, beside the loop's own pool of threads.

That pool is LangGraph's, in a worker: plain functions run there and nobody can stop them, so whatever is
ours must get on when all of it is taken. Names of hosts are resolved on another: uvloop's.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

_JOINS = ThreadPoolExecutor(2, "continuo-join")


async def joined(thread: Thread, within_s: float) -> None:
    """Wait for the end of a thread, for so long at the most."""
    await asyncio.get_running_loop().run_in_executor(_JOINS, thread.join, within_s)
