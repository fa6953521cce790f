"""What libraries that bring their own way to Redis raise: made ours.

Called around each use of langgraph-checkpoint-redis' saver, which wraps what the client raised.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from services.shared.bus.foreign import unavailable


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Turn what Redis raised through the saver and its library into BusUnavailable."""
    try:
        yield
    except Exception as error:
        if (meaning := unavailable(error)) is None:
            raise
        raise meaning from error
