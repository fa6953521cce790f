"""Places for requests: so many, and the next is told to come again. Used by answering.py."""

from types import TracebackType

from services.connection.api.problems import ProblemError
from services.shared.wire import codes


class Places:
    """As a context: one of them, taken until its end. Raises ProblemError where none is free."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self._count:
            raise ProblemError(codes.INTERNAL, f"{self.taken} requests are under way here; no more fit")
        self.taken += 1

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.taken -= 1
