"""The bus of one process: opens the pools and holds every port. Made by each service's `app.py`, closed last.

Each port takes the same `Floor` and becomes one attribute in `Bus.__init__`.
"""

from collections.abc import Callable

from services.shared.bus.answers import Answers
from services.shared.bus.attendees import Attendees
from services.shared.bus.audit import Audit
from services.shared.bus.backlog import Backlog
from services.shared.bus.birth import Birth
from services.shared.bus.census import Censuses
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.confirm import Confirmer
from services.shared.bus.control import Control
from services.shared.bus.conversations import Conversations
from services.shared.bus.dead_letters import DeadLetters
from services.shared.bus.deletion import Deletion
from services.shared.bus.documents import Documents
from services.shared.bus.drain_budget import DrainBudget
from services.shared.bus.edits import Edits
from services.shared.bus.floor import Floor
from services.shared.bus.foreign import Foreign
from services.shared.bus.inventory import Inventory
from services.shared.bus.journal import Journal
from services.shared.bus.keys import Keys
from services.shared.bus.lease import Leases
from services.shared.bus.live import LiveFeed
from services.shared.bus.marks import UserMarks
from services.shared.bus.members import Members
from services.shared.bus.messages import Messages
from services.shared.bus.outbox import Outbox
from services.shared.bus.receipts import Receipts
from services.shared.bus.restore import Restore
from services.shared.bus.revocations import Revocations
from services.shared.bus.rewinds import Rewinds
from services.shared.bus.roster import Roster
from services.shared.bus.scripts import Scripts
from services.shared.bus.sentinel import Masters, mapped
from services.shared.bus.settings import RedisSettings
from services.shared.bus.shards import Shards
from services.shared.bus.turns import Turns
from services.shared.runtime.clock import Clock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics


class Bus:
    """Every port of the bus, over one pair of pools."""

    def __init__(self, masters: Masters, floor: Floor) -> None:
        self._masters = masters
        self._tasks = Tasks()
        self.floor = floor
        self.conversations = Conversations(floor)
        self.members = Members(floor)
        self.marks = UserMarks(floor)
        self.messages = Messages(floor)
        self.edits = Edits(floor)
        self.receipts = Receipts(floor)
        self.journal = Journal(floor)
        self.turns = Turns(floor)
        self.answers = Answers(floor)
        self.rewinds = Rewinds(floor)
        self.dead_letters = DeadLetters(floor)
        self.backlog = Backlog(floor)
        self.leases = Leases(floor)
        self.live = LiveFeed(floor)
        self.confirmer = Confirmer(floor)
        self.control = Control(floor)
        self.outbox = Outbox(floor, self.control)
        self.roster = Roster(floor)
        self.shards = Shards(floor)
        self.census = Censuses(floor)
        self.attendees = Attendees(floor)
        self.checkpoints = Checkpoints(floor)
        self.foreign = Foreign(masters, floor)
        self.documents = Documents(floor)
        self.deletion = Deletion(floor)
        self.inventory = Inventory(floor)
        self.drain_budget = DrainBudget(floor)
        self.birth = Birth(floor)
        self.audit = Audit(floor)
        self.revocations = Revocations(floor, self.control, self.audit)
        self.restore = Restore(floor, self.roster, self.backlog)

    @classmethod
    async def open(cls, settings: RedisSettings, *, process: str, clock: Clock, metrics: Metrics) -> "Bus":
        """Open the pools and reach the master once. Raises BusUnavailable when it cannot be reached in time.

        process: a name of this process, unique among those that run now; it names its tick and its probe.
        """
        masters = Masters(settings, metrics)
        scripts = Scripts(masters.commands, masters.failover, settings, clock, metrics)
        keys = Keys(settings.partitions)
        floor = Floor(process, settings, keys, scripts, masters.commands, masters.blocking, clock, metrics)
        bus = cls(masters, floor)
        bus._tasks.start("sentinel watch", masters.watch())
        try:
            async with mapped("open", within_s=settings.redis_deadline_s):
                await masters.commands.execute_command("PING")  # type: ignore[no-untyped-call]
        except BaseException:
            await bus.close()
            raise
        return bus

    def on_moved(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever another master took over: what was written last, and not waited
        for, may be lost.
        """
        self._masters.on_moved(callback)

    @property
    def failovers(self) -> int:
        """How often the Sentinels announced or made a move of the master, as far as this process heard."""
        return self._masters.failover.begun

    async def mind(self) -> None:
        """Work for the process's lifecycle: raise once a task of the bus's own (the watch over who is master)
        ended by an error. Without it the process would go on half dead.
        """
        await self._tasks.crashed.wait()
        assert self._tasks.crash is not None
        name, error = self._tasks.crash
        raise RuntimeError(f"the bus's {name} ended") from error

    async def close(self) -> None:
        """Stop the watch and close every socket."""
        await self._tasks.close()
        await self._masters.close()
