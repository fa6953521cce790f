"""One run: devices talk while every server is replaced, one way after the other, then the house's own truth.

Called by `run`. Leaves a history as the failure campaign's does (tests/chaos/README.md), the ways in it as
faults; judging it is the checker's, measuring `measure`'s.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from continuo_operator.admin import AdminClient
from continuo_operator.arithmetic import READY_SPREAD_S
from services.shared.model.ids import ConversationId, UserId
from tests.chaos.crowd import Crowd, Group
from tests.chaos.history import load_devices
from tests.chaos.journaling import Notes
from tests.chaos.rules_presence import by_conversation, followers
from tests.chaos.truth import Witness
from tests.cluster.cluster import NAMESPACE
from tests.cluster.deployments import HASH, template_hash
from tests.cluster.fleets import DEPLOYMENT, Design, upgrade
from tests.cluster.in_process import InProcessCluster, Life
from tests.cluster.kinds import DEPLOYMENTS, PODS
from tests.cluster.objects import is_going, is_ready, labels_of
from tests.rollout.house import SECRET, House, open_house
from tests.rollout.operating import Operator
from tests.rollout.ways import Way
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually

EACH = 5
"""Devices of a conversation; they are of three users."""
OWNER = "owner"
PROGRAM = ("tests.rollout.device_process",)
NEWCOMER_EVERY_S = 3.0
QUIET_WITHIN_S = 240.0
"""For answers that were under way, on a busy machine."""
SETTLES_WITHIN_S = 80.0
"""Less than a process of devices has to answer."""
GHOSTS_WITHIN_S = 20.0
STARTS_WITHIN_S = 90.0
STEADY_S = 8.0
"""Between two ways: what is measured in one belongs to no other."""


PROPAGATION_S = 6
"""More than endpoints are late by (`driver`, the slice before it): so no newcomer comes to a closed door."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of everything. pod_share: a pod's own rate, as a share of its fleet's."""

    devices: int
    groups: int
    newcomers: int
    token_ms: int = 150
    pause_s: tuple[float, float] = (10.0, 30.0)
    pod_share: float = 0.5

    def design(self) -> Design:
        """Three pods of which each holds most of the devices, and rates that empty all in ten seconds."""
        rate = max(5, self.devices // 10)
        return Design(
            pods=3,
            most=3,
            capacity=self.devices * 4 // 5,
            pod_rate=max(3, int(rate * self.pod_share)),
            fleet_rate=rate,
            propagation_s=PROPAGATION_S,
            scaling={"min": 3, "max": 3, "down": {"windowSeconds": 3600}},
        )


class Play:
    """One run. `run` is its whole life; `stuck` is what did not come to rest, in words."""

    def __init__(
        self,
        folder: Path,
        seed: str,
        size: Size,
        ways: Sequence[Way],
        say: Callable[[str], None],
        without: str = "",
    ) -> None:
        """without: the protection that its connection servers lack, in a control run."""
        self._folder = folder
        self._history = folder / "history"
        self._seed = seed
        self._size = size
        self._ways = ways
        self._say = say
        self._without = without
        self._dice = Random(f"{seed} play")
        self.stuck: list[str] = []

    async def run(self) -> None:
        """Replace all servers in each way; return when the truth is written."""
        design, token_ms = self._size.design(), self._size.token_ms
        async with open_house(self._folder, design, token_ms, self._seed, self._without) as house:
            await self._serving(house, 3)
            witness = await Witness.open(house.bus)
            conversations = await self._conversations(house)
            crowd = self._crowd(house, conversations)
            notes = Notes(self._history / "faults.jsonl")
            try:
                await crowd.start()
                await self._connected(house)
                async with aiohttp.ClientSession() as session:
                    admin = AdminClient(session, str(house.token_file))
                    operator = Operator(InProcessCluster(house.cluster, Life()), admin, self._say)
                    for number, way in enumerate(self._ways, 1):
                        await asyncio.sleep(STEADY_S)
                        await self._replace(house, crowd, operator, way, number, notes)
                await asyncio.sleep(STEADY_S)
                await self._come_to_rest(witness, crowd, conversations)
            finally:
                await crowd.end()
            self.stuck += house.servers.crashed()

    # ---------------------------------------------------------------------------------------- one replacement

    async def _replace(
        self, house: House, crowd: Crowd, operator: Operator, way: Way, number: int, notes: Notes
    ) -> None:
        self._say(f"{way.name}: {way.told}")
        began = time.time()
        notes.write("fault", fault=f"rollout.{way.name}", n=number, target="")
        async with asyncio.TaskGroup() as tasks:
            over = asyncio.Event()
            tasks.create_task(self._newcomers(crowd, over))
            operating = tasks.create_task(operator.run()) if way.operator else None
            if way.others:
                tasks.create_task(self._replace_others(house, way))
            wanted = self._deploy(house, way, number)
            await self._replaced(house, wanted)
            over.set()
            if operating is not None:
                operating.cancel()
        notes.write("fault.over", n=number, target="pods", began=began, healed=time.time())
        self._say(f"{way.name}: replaced in {time.time() - began:.0f} s")

    def _deploy(self, house: House, way: Way, number: int) -> str:
        """Have Helm ask the cluster for new pods; the hash of their template."""
        version = f"replaced-{number}" + (f"-{way.release}" if way.release else "")
        hold = None if way.operator else READY_SPREAD_S
        design = replace(self._size.design(), surge=way.surge, min_ready_s=hold)
        upgrade(house.cluster, design, version)
        return template_hash(house.cluster.store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT))

    async def _replaced(self, house: House, wanted: str) -> None:
        """Return once there are three pods, all of that template and ready, and no others."""
        least = self._size.design().min_ready + self._size.design().grace + STARTS_WITHIN_S

        def done() -> bool:
            pods = house.cluster.store.all(PODS, NAMESPACE)
            settled = [labels_of(pod)[HASH] == wanted and is_ready(pod) and not is_going(pod) for pod in pods]
            return len(settled) == 3 and all(settled)

        await eventually(done, 3 * least, every_s=0.2)

    async def _replace_others(self, house: House, way: Way) -> None:
        """Workers and presence: new ones beside the old, which then hand on what they have."""
        before = list(house.others)
        await house.start_others(way.release)
        await asyncio.sleep(STEADY_S)  # both releases at work side by side
        await house.end_others(before)

    async def _newcomers(self, crowd: Crowd, over: asyncio.Event) -> None:
        """Devices that come for the first time while it goes on."""
        while not over.is_set():
            await crowd.groups[-1].tell("arrive")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NEWCOMER_EVERY_S * self._dice.uniform(0.5, 1.5)):
                    await over.wait()

    # --------------------------------------------------------------------------------------- before and after

    async def _serving(self, house: House, pods: int) -> None:
        def served() -> bool:
            return len(house.balancer.endpoints) == pods

        await eventually(served, STARTS_WITHIN_S, every_s=0.1)

    async def _conversations(self, house: House) -> list[str]:
        made = []
        for number in range(self._count):
            made.append(conversation := str(fresh_id()))
            users = [UserId(user) for user in self._users(number)]
            await house.bus.conversations.create(ConversationId(conversation), UserId(OWNER), members=users)
        return made

    @property
    def _count(self) -> int:
        return max(1, (self._size.devices + self._size.newcomers) // EACH)

    @staticmethod
    def _users(conversation: int) -> list[str]:
        return [f"user-{conversation}-{number}" for number in range(3)]

    def _crowd(self, house: House, conversations: list[str]) -> Crowd:
        size = self._size

        def device(number: int, *, later: bool) -> dict[str, Any]:
            conversation = number % len(conversations)
            user = self._users(conversation)[number // len(conversations) % 3]
            return {
                "name": f"{'newcomer' if later else 'device'}-{number}",
                "user": user,
                "servers": [house.address],
                "conversations": [conversations[conversation]],
                "later": later,
            }

        plan = {"folder": str(self._history), "secret": SECRET, "seed": self._seed, "pause_s": size.pause_s}
        devices = [device(number, later=False) for number in range(size.devices)]
        late = [device(size.devices + number, later=True) for number in range(size.newcomers)]
        parts = [devices[number :: size.groups] for number in range(size.groups)] + [late]
        program = (*Group.program[:-1], *PROGRAM)
        return Crowd(
            [
                Group(f"devices-{number}", {**plan, "devices": part}, self._folder / "logs", program)
                for number, part in enumerate(parts, 1)
            ]
        )

    async def _connected(self, house: House) -> None:
        """Return once every device follows its conversation."""

        async def all_here() -> bool:
            stats = await house.balancer.order("show stat")
            [row] = [line.split(",") for line in stats.splitlines() if line.startswith("clients,FRONTEND")]
            return int(row[4]) >= self._size.devices

        await eventually(all_here, STARTS_WITHIN_S, every_s=0.5)

    async def _come_to_rest(self, witness: Witness, crowd: Crowd, conversations: list[str]) -> None:
        """Let everything under way end, see that every device has all of it, and write down the truth."""
        if not await crowd.quiet(QUIET_WITHIN_S):
            self.stuck.append("messages stayed unacknowledged")
        busy: list[str] = []

        async def quiet() -> bool:
            busy[:] = await witness.busy(conversations)
            return not busy

        try:
            await eventually(quiet, QUIET_WITHIN_S, every_s=0.5)
        except AssertionError:
            self.stuck += [f"{each} stayed" for each in busy]
        tops = await witness.tops(conversations)
        unsettled = await crowd.settle(tops, SETTLES_WITHIN_S)
        self.stuck += [f"a device of {group} has not settled" for group in unsettled]
        await self._present(witness, conversations)
        truth = await witness.tell(conversations, OWNER)
        (self._history / "truth.json").write_text(json.dumps(truth, ensure_ascii=False))
        self.stuck += await witness.strays()

    async def _present(self, witness: Witness, conversations: list[str]) -> None:
        """Wait until no ghost is present any more, or long enough for the checker to call it one."""
        following = by_conversation(await asyncio.to_thread(load_devices, self._history))
        clients = {each: set(followers(following.get(each, {}), each)) for each in conversations}
        with contextlib.suppress(AssertionError):
            await eventually(partial(witness.present, clients), GHOSTS_WITHIN_S, every_s=0.5)
