"""What the bench of savers found: made by its child process, read by the page and the verdict."""

from dataclasses import dataclass

from tests.bench.latency import Percentiles

MEMORY, STOCK, OURS = "in-memory", "stock", "Continuo"
"""LangGraph's InMemorySaver; langgraph-checkpoint-redis as shipped; ours, as a worker uses it."""

NODES = (1, 3)
MESSAGES = (1, 50, 200)
LENGTHS = (50, 200, 800)


@dataclass(frozen=True)
class Turn:
    """One turn of a graph of so many nodes, on a thread that held so many messages: milliseconds, and medians
    of the rest.

    sends: what the client sent to Redis, a pipeline counting once. sent, received: bytes on the wire. kept:
    by how many bytes the thread's keys grew.
    """

    saver: str
    nodes: int
    messages: int
    wall: Percentiles
    cpu_ms: float
    sends: float
    sent: float
    received: float
    kept: float


@dataclass(frozen=True)
class Around:
    """What a worker does with our saver beside a turn, on a thread of so many messages: a look at it before,
    and old checkpoints dropped after. Milliseconds of processor time, medians.
    """

    messages: int
    look_ms: float
    trim_ms: float


@dataclass(frozen=True)
class Crowd:
    """Many turns at a time on one core. stall: how late a task comes that sleeps a millisecond."""

    saver: str
    messages: int
    turns_s: float
    cpu_ms: float
    stall: Percentiles
    stall_max_ms: float


@dataclass(frozen=True)
class StockThread:
    """One thread the stock saver kept of a conversation grown turn by turn. documents: by MEMORY USAGE.
    grown: by how much Redis's data set grew, its search indices included.
    """

    turns: int
    keys: int
    documents: int
    grown: int


@dataclass(frozen=True)
class Kept:
    """Everything a conversation left in Redis. keys, bytes: by kind. text: of its messages, in bytes."""

    messages: int
    text: int
    keys: dict[str, int]
    bytes: dict[str, int]

    @property
    def mib(self) -> float:
        """All of it."""
        return sum(self.bytes.values()) / 2**20


@dataclass(frozen=True)
class Threads:
    """All of it. lengths: in-memory and Continuo only, beyond the lengths of `turns`."""

    turns: tuple[Turn, ...]
    lengths: tuple[Turn, ...]
    around: tuple[Around, ...]
    crowds: tuple[Crowd, ...]
    stock: StockThread
    kept: Kept

    def turn(self, saver: str, nodes: int, messages: int) -> Turn:
        """The one measured so."""
        found = (
            each.saver == saver and (each.nodes, each.messages) == (nodes, messages) for each in self.turns
        )
        return self.turns[list(found).index(True)]

    def crowd(self, saver: str, messages: int) -> Crowd:
        """The one measured so."""
        return next(each for each in self.crowds if (each.saver, each.messages) == (saver, messages))

    @property
    def core_share(self) -> float:
        """Of its core, what the process got where it never waited: with the in-memory saver in a crowd."""
        shares = [each.turns_s * each.cpu_ms / 1000 for each in self.crowds if each.saver == MEMORY]
        return min(shares)

    def over(self, saver: str, nodes: int, messages: int) -> float:
        """Milliseconds a turn takes longer than with the in-memory saver, at the median."""
        floor = self.turn(MEMORY, nodes, messages).wall.p50
        return self.turn(saver, nodes, messages).wall.p50 - floor
