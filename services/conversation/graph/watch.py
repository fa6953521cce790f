"""What a run does, told to whoever watches it: the port of this room to traces and metrics.

Implemented by the worker's `trail`. Called from the graph's own tasks and threads, so no call may wait, and
none may raise. Names of facts are those of the table of spans.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

Fact = str | int | float | bool | Sequence[str] | None
"""A fact's value; None: not known."""


class Doing(Protocol):
    """One thing that a run does, until it is over."""

    def set(self, **facts: Fact) -> None:
        """Hear more of it."""

    def failed(self, error: str, kind: str) -> None:
        """Hear that it failed: the exception's type, and what that means (a FaultKind)."""

    def over(self) -> None:
        """Hear that it is over; once more changes nothing."""


class Call(Doing, Protocol):
    """A call of a model."""

    def chunk(self) -> None:
        """Hear that a piece of the answer has come. Called for each."""


class Watcher(Protocol):
    """Hears what one execution does. `within`: what it is a part of; None: of the execution itself."""

    @property
    def context(self) -> str:
        """The traceparent that the thread's checkpoints carry; empty: none."""

    def node(self, name: str, step: int, within: Doing | None) -> Doing:
        """A node of the graph begins."""

    def model(self, name: str, provider: str, within: Doing | None) -> Call:
        """A model is called."""

    def tool(self, name: str, call: str, within: Doing | None) -> Doing:
        """A tool is called; `call` is the id that a model gave the call, or empty."""

    def write(self, thread: str, checkpoint: str, size: int, writes: int) -> Doing:
        """A checkpoint (`writes` 0) or what tasks wrote is put into the thread: `size` bytes."""


class Courtesy(Protocol):
    """Of one run to the others of its process, which may have said nothing yet."""

    @property
    def waits(self) -> bool:
        """Whether others go first now."""

    def leave(self) -> None:
        """Hear that this run has begun to speak: it holds up nobody any more."""

    async def give_way(self) -> None:
        """Wait for them, for as long as this run still has to."""


class _Nothing:
    def set(self, **facts: Fact) -> None: ...

    def failed(self, error: str, kind: str) -> None: ...

    def over(self) -> None: ...

    def chunk(self) -> None: ...


_NOTHING = _Nothing()


class Unwatched:
    """For runs that nobody watches."""

    context = ""

    def node(self, name: str, step: int, within: Doing | None) -> Doing:  # noqa: ARG002 - the port's form
        return _NOTHING

    def model(self, name: str, provider: str, within: Doing | None) -> Call:  # noqa: ARG002
        return _NOTHING

    def tool(self, name: str, call: str, within: Doing | None) -> Doing:  # noqa: ARG002
        return _NOTHING

    def write(self, thread: str, checkpoint: str, size: int, writes: int) -> Doing:  # noqa: ARG002
        return _NOTHING


UNWATCHED = Unwatched()


@contextmanager
def watched(doing: Doing) -> Iterator[Doing]:
    """A block that is one thing; what leaves it by an exception has failed, but for being told to stop."""
    try:
        yield doing
    except Exception as error:
        doing.failed(type(error).__name__, "store")
        raise
    finally:
        doing.over()
