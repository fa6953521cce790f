"""Which agent within the agent something runs in: LangChain tells of each run what it is a part of.

Kept by the callbacks of one run, which tell what they hear of.
"""

from uuid import UUID


class Within:
    """Of one run. Its words for agents within are those they are told by; empty: the agent itself."""

    def __init__(self) -> None:
        self._graphs: dict[UUID, str] = {}
        self._inside: dict[UUID, str] = {}

    def knows(self, graph: UUID) -> bool:
        """Whether the run of a graph was told of."""
        return graph in self._graphs

    def runs(self, graph: UUID, source: str) -> None:
        """Take in that a graph within the agent's is at work."""
        self._graphs[graph] = source

    def starts(self, run: UUID, part_of: UUID | None) -> str:
        """Take in that something runs; the innermost agent that it is of."""
        if part_of is None:
            return ""
        if source := self._graphs.get(part_of) or self._inside.get(part_of, ""):
            self._inside[run] = source
        return source

    def ends(self, run: UUID) -> str:
        """Take in that it does no more; the agent's word where it was its graph."""
        self._inside.pop(run, None)
        return self._graphs.pop(run, "")
