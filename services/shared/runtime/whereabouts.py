"""What a log may say of an exception: its types and where it was raised, never its text.

Used for every exception that is logged (discretion.py). An exception's text may quote what
people said, and so may the source lines or values of a traceback; names of files and functions do not.
"""

import traceback
from collections.abc import Iterator
from pathlib import PurePath

MOST_FRAMES = 20
"""Of each exception, the innermost."""
MOST_CAUSES = 5
PATH_PARTS = 3
"""Of a file's path: enough to find it, without the machine's folders."""


def whereabouts(error: BaseException | None) -> dict[str, object]:
    """Facts for a log line: `error`, the types from the exception to its first cause, and `frames`, as
    file:line:function, of each from the outermost to the innermost.
    """
    chain = list(_chain(error))
    return {
        "error": " < ".join(type(each).__name__ for each in chain),
        "frames": [frame for each in chain for frame in _frames(each)],
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(MOST_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> list[str]:
    steps = list(traceback.walk_tb(error.__traceback__))[-MOST_FRAMES:]
    return [f"{short(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}" for frame, line in steps]


def short(path: str) -> str:
    """The end of a file's path."""
    return "/".join(PurePath(path).parts[-PATH_PARTS:])
