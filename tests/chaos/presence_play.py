"""A crowd of devices that say nothing: servers, presence and Redis go and come back, and some people do not.

Called by `presence_run`. Leaves a history as a campaign does (README.md), each step in it as a fault, with
what `presence_judge` asks for. Devices are the campaign's own, so is the house.
"""

import asyncio
import json
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from services.shared.model.ids import ConversationId, NodeId, UserId
from services.shared.model.revocation import Revocation
from tests.chaos.campaign import PULSE as OWNER
from tests.chaos.crowd import Crowd, Group
from tests.chaos.faults_redis import master_replaced
from tests.chaos.history import load_devices
from tests.chaos.journaling import Notes
from tests.chaos.presence_people import EACH, People, Size, people, users_of
from tests.chaos.rules_presence import by_conversation, followers
from tests.chaos.scene import Scene
from tests.chaos.stage import SECRET, SERVICES, Stage, play
from tests.chaos.truth import Witness
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually

SEATED_WITHIN_S = 120.0
"""For hundreds of devices at once on a busy machine."""
WATCHED_S = 14.0
"""The grace, two seconds that a leave waits behind it, and two rounds of the presence service."""
ANNOUNCED_WITHIN_S = 60.0
SETTLES_WITHIN_S = 60.0
ENDS_WITHIN_S = 20.0
SETTINGS = {
    "CONTINUO_PING_S": "10",  # hundreds of devices that answer pings every 2 s would be all there is to do
    "CONTINUO_PONG_S": "8",
}
HOUSE = {**SERVICES, "presence-2": "services.presence"}
"""Two replicas of the presence service share its work."""
STEPS = ("rolling", "lost", "dead", "failover", "revoked")


class PresencePlay:
    """One run. `run` is its whole life; `stuck` is what did not come to rest, in words."""

    def __init__(
        self, folder: Path, seed: str, size: Size, steps: Sequence[str], say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._history = folder / "history"
        self._size = size
        self._steps = steps
        self._say = say
        self._dice = random.Random(f"presence {seed}")
        self._seed = seed
        self._conversations: list[str] = []
        self._notes = Notes(self._history / "faults.jsonl")
        self._told = Notes(self._history / "steps.jsonl")
        self._played = 0
        self._here = size.stay
        self.stuck: list[str] = []

    async def run(self, without: str = "") -> None:
        """Play the steps; return when the truth is written. without: the protection that is missing."""
        async with play(self._folder, without, SETTINGS, HOUSE) as stage:
            witness = await Witness.open(stage.bus)
            await self._create(stage)
            everybody = self._crowd(stage)
            crowd = everybody.staying
            try:
                await crowd.start()
                await self._seated(stage, "all devices")
                scene = Scene(stage, crowd, self._dice)
                deeds: dict[str, Callable[[], Any]] = {
                    "rolling": lambda: self._rolling(stage),
                    "lost": lambda: self._lost(stage, everybody.lost),
                    "dead": lambda: self._dead(stage, everybody.quitting),
                    "failover": lambda: self._failover(scene),
                    "revoked": lambda: self._revoked(stage, everybody.expelled),
                }
                for step in self._steps:
                    await self._step(step, deeds[step])
                await self._come_to_rest(witness, crowd)
            finally:
                await crowd.end()
                for group in (everybody.lost, everybody.quitting, everybody.expelled):
                    if group.process is not None:
                        await group.kill()

    # ------------------------------------------------------------------------------------------------- steps

    async def _step(self, name: str, deed: Callable[[], Any]) -> None:
        self._played += 1
        began = time.time()
        self._notes.write("fault", fault=f"presence.{name}", n=self._played, target="")
        facts = await deed()
        self._notes.write("fault.over", n=self._played, target=name, began=began)
        self._told.write("step", name=name, began=began, **facts)
        self._say(f"{name}: {time.time() - began:.0f} s")

    async def _rolling(self, stage: Stage) -> dict[str, Any]:
        """Every connection process is told to end and started again, one when all are well from the other."""
        for name in stage.named("connection"):
            await stage.child(name).end(ENDS_WITHIN_S)
            await stage.begin(name)
            await stage.well()
            await self._seated(stage, f"all devices, after {name}")
        restarted = time.time()
        await asyncio.sleep(WATCHED_S)
        return {"restarted": restarted}

    async def _lost(self, stage: Stage, group: Group) -> dict[str, Any]:
        """A connection process is killed, and with it a replica of the presence service, and the devices of
        some people; the others come back.
        """
        name, replica = stage.named("connection")[0], self._dice.choice(stage.named("presence"))
        await group.start()
        self._here += self._size.lose
        await self._seated(stage, "those who will be lost")
        [node] = {seat.node for seat in await self._seats(stage, self._losing)}
        group.signal(signal.SIGSTOP)  # so that none of them comes back in the moment between
        stage.child(name).kill()
        stage.child(replica).kill()
        killed = time.time()
        await self._gone(group)
        self._here -= self._size.lose
        await eventually(lambda: self._empty(stage, node), ANNOUNCED_WITHIN_S, every_s=0.1)
        freed = time.time()
        await self._announced(killed, self._size.lose)
        await stage.begin(replica)
        await stage.begin(name)
        await stage.well()
        return {"killed": killed, "freed": freed, "users": users_of("lost", self._size.lose)}

    async def _dead(self, stage: Stage, group: Group) -> dict[str, Any]:
        """While no presence service runs, some people go; it is back when their leaves are overdue."""
        await group.start()
        self._here += self._size.quit
        await self._seated(stage, "those who will go")
        for name in stage.named("presence"):
            stage.child(name).kill()
        died = time.time()
        await self._gone(group)
        self._here -= self._size.quit
        await asyncio.sleep(WATCHED_S)
        back = time.time()
        for name in stage.named("presence"):
            await stage.begin(name)
        await self._announced(back, self._size.quit)
        return {"died": died, "back": back, "users": users_of("quit", self._size.quit)}

    async def _failover(self, scene: Scene) -> dict[str, Any]:
        """The Redis master dies, and a connection process with it: its devices find no seat for a while."""
        name = scene.any_of("connection")
        scene.stage.child(name).kill()
        await master_replaced(scene)
        await scene.stage.begin(name)
        await scene.stage.well()
        healed = time.time()
        await self._seated(scene.stage, "all devices, after the failover")
        right = time.time()
        await asyncio.sleep(WATCHED_S)
        return {"healed": healed, "right": right}

    async def _revoked(self, stage: Stage, group: Group) -> dict[str, Any]:
        """The tokens of some people are revoked, one after the other; they are at both servers."""
        await group.start()
        self._here += self._size.lose
        await self._seated(stage, "those whose tokens will be revoked")
        asked: dict[str, float] = {}
        for user in users_of("revoked", self._size.lose):
            asked[user] = time.time()
            revocation = Revocation(user=user, before_ms=int(asked[user] * 1000))
            await stage.bus.revocations.revoke(revocation, by=OWNER)
        self._here -= self._size.lose
        await self._seated(stage, "all but those whose tokens were revoked")
        await self._gone(group)
        return {"asked": asked}

    # ----------------------------------------------------------------------------------------------- waiting

    async def _gone(self, group: Group) -> None:
        """A process of devices dies; that is noted for each, since nobody comes back to do it."""
        await group.kill()
        for one in group.plan["devices"]:
            Notes(self._history / "devices" / f"{one['name']}.jsonl").write("disconnected", code=0)

    async def _seated(self, stage: Stage, awaited: str) -> None:
        """Return once there are as many seats as devices, none of them a dead connection's."""
        counted = 0

        async def all_here() -> bool:
            nonlocal counted
            counts = [await stage.bus.roster.count(ConversationId(each)) for each in self._conversations]
            counted = sum(connections for connections, _ in counts)
            return counted == self._here

        try:
            await eventually(all_here, SEATED_WITHIN_S, every_s=0.2)
        except AssertionError as error:
            raise AssertionError(f"{counted} seats of {self._here}: {awaited}") from error

    async def _seats(self, stage: Stage, conversations: Sequence[str]) -> list[Any]:
        return [
            seat
            for each in conversations
            for seat in (await stage.bus.roster.of(ConversationId(each))).values()
            if str(seat.user).startswith("lost")
        ]

    async def _empty(self, stage: Stage, node: NodeId) -> bool:
        """Whether a node holds no seat, and is known no more."""
        return node not in await stage.bus.roster.beats() and not await stage.bus.roster.held(node)

    async def _announced(self, since: float, leaves: int) -> None:
        """Return once presence announced as many, and made two rounds more; or when it does not."""

        def enough() -> bool:
            rounds = load_sweeps(self._history, since)
            last = [place for place, one in enumerate(rounds) if one["announced"]]
            told = sum(one["announced"] for one in rounds)
            return told >= leaves and len(rounds) >= last[-1] + 5

        try:
            await eventually(enough, ANNOUNCED_WITHIN_S, every_s=0.2)
        except AssertionError:
            self.stuck.append(f"{leaves} leaves were not announced in {ANNOUNCED_WITHIN_S:.0f} s")

    # -------------------------------------------------------------------------------------- before and after

    @property
    def _losing(self) -> list[str]:
        return self._conversations[: self._size.lose]

    async def _create(self, stage: Stage) -> None:
        for number in range(max(self._size.stay // EACH, self._size.lose + self._size.quit)):
            self._conversations.append(conversation := str(fresh_id()))
            users = [*(f"user-{number}-{each}" for each in range(3)), f"lost-{number}", f"quit-{number}"]
            users.append(f"revoked-{number}")
            members = [UserId(user) for user in users]
            await stage.bus.conversations.create(ConversationId(conversation), UserId(OWNER), members=members)

    def _crowd(self, stage: Stage) -> People:
        addresses = [stage.straight(name) for name in stage.named("connection")]
        plan = {"folder": str(self._history), "secret": SECRET, "seed": self._seed, "pause_s": (60.0, 90.0)}
        return people(plan, self._folder / "logs", self._size, self._conversations, addresses, self._dice)

    async def _come_to_rest(self, witness: Witness, crowd: Crowd) -> None:
        tops = await witness.tops(self._conversations)
        unsettled = await crowd.settle(tops, SETTLES_WITHIN_S)
        self.stuck += [f"a device of {group} has not settled" for group in unsettled]
        following = by_conversation(await asyncio.to_thread(load_devices, self._history))
        clients = {each: set(followers(following.get(each, {}), each)) for each in self._conversations}
        if not await witness.present(clients):
            self.stuck.append("the roster is not who is there")
        truth = await witness.tell(self._conversations, OWNER)
        (self._history / "truth.json").write_text(json.dumps(truth, ensure_ascii=False))


def load_sweeps(history: Path, since: float = 0.0) -> list[dict[str, Any]]:
    """The presence service's own notes of its rounds, of those that began at `since` or later."""
    lines = [
        line
        for file in sorted((history / "sweeps").glob("*.jsonl"))
        for line in file.read_bytes().split(b"\n")
    ]
    rounds = [json.loads(line) for line in lines if line.endswith(b"}")]
    swept = (one for one in rounds if one["kind"] == "swept" and one["began"] >= since)
    return sorted(swept, key=lambda one: float(one["t"]))
