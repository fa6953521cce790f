"""One round of a campaign: conversations under way, one fault after the other, then the house's own truth.

Called by `run`. Leaves a history (see `history`); judging it is the checker's. The seed decides which faults
come in which order and what they hurt; the house's own timing is not in its hands, so a run is not repeated
to the letter, but its history says what happened.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.shared.bus.house import Bus
from services.shared.model.ids import ConversationId, UserId
from tests.chaos.crowd import JAVASCRIPT, Crowd, Group
from tests.chaos.deeds import GUEST
from tests.chaos.device import Device
from tests.chaos.device_process import token_of
from tests.chaos.faults import FAULTS
from tests.chaos.history import MASTERS, load_devices
from tests.chaos.intruders import SLOWPOKE
from tests.chaos.journaling import Notes
from tests.chaos.mastery import Mastery
from tests.chaos.rules_presence import followers
from tests.chaos.scene import Scene
from tests.chaos.stage import SECRET, Stage, play
from tests.chaos.truth import AGENT, Witness
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually

USERS = ("ada", "ben", "cyd")
DEVICES_EACH = 2
"""Of every user, on the Python client; each has one more on the JavaScript client."""
CONVERSATIONS = 3
"""And one more for people alone, which the first of them owns: there they also take back what they said."""
GROUPS = 3
"""Processes of devices on the Python client; those on the JavaScript client share one."""
PULSE = "pulse"
SAME_KIND, OTHER_KINDS = 2, 3
"""Tries of a fault that comes to nothing (nobody passes its point), and of others then."""
WELL_WITHIN_S = 60.0
SETTLES_WITHIN_S = 45.0
RESTS_WITHIN_S = 240.0
"""However much still moves: something that goes on for ever is found, too."""
GHOSTS_WITHIN_S = 15.0
"""A connection is gone from presence within 10 s of its process's death."""
PAUSE_S = (0.5, 2.5)
"""Between two messages of one device."""


@dataclass
class Outcome:
    """What a round came to, beside its history. stuck: what did not come to rest, in words."""

    folder: Path
    faults: int = 0
    stuck: list[str] = field(default_factory=list)


class Round:
    """One round. `run` is its whole life."""

    def __init__(
        self, folder: Path, seed: str, names: Sequence[str], without: str = "", *, wanders: bool = True
    ) -> None:
        self._folder = folder
        self._history = folder / "history"
        self._seed = seed
        self._names = names
        self._without = without
        self._wanders = wanders
        self._dice = random.Random(seed)
        self._conversations: list[str] = []
        self._alone: list[str] = []
        self._played = 0
        self.outcome = Outcome(folder)

    async def run(self, say: Any) -> Outcome:
        """Play the faults; returns when the truth is written."""
        async with play(self._folder, self._without) as stage:
            witness = await Witness.open(stage.bus)
            self._conversations = conversations = [str(fresh_id()) for _ in range(CONVERSATIONS)]
            for conversation in (*conversations, beat := str(fresh_id())):
                await self._create(stage.bus, conversation)
            alone = [str(fresh_id())]
            await self._create(stage.bus, alone[0], answers={AGENT: "never"})
            await stage.bus.members.change_role(alone[0], PULSE, USERS[0], "owner")
            self._alone = alone
            conversations += alone
            pulse = Pulse(stage, self._history, beat)
            crowd = self._crowd(stage, conversations)
            notes = Notes(self._history / "faults.jsonl")
            self._mastery = Mastery(stage.redis, Notes(self._history / MASTERS))
            try:
                await crowd.start()
                await pulse.begin()
                await pulse.beat(WELL_WITHIN_S)
                await self._play(Scene(stage, crowd, self._dice), witness, pulse, notes, say)
                await self._come_to_rest(witness, crowd, pulse, [*conversations, beat])
                await self._mastery.look("coming to rest")
            finally:
                await pulse.end()
                await crowd.end()
            self.outcome.stuck += await witness.leftovers([*conversations, beat], PULSE)
        return self.outcome

    @staticmethod
    async def _create(bus: Bus, conversation: str, **more: Any) -> None:
        members = [UserId(user) for user in (*USERS, GUEST, SLOWPOKE)]
        await bus.conversations.create(ConversationId(conversation), UserId(PULSE), members=members, **more)

    def _crowd(self, stage: Stage, conversations: list[str]) -> Crowd:
        def device(place: int, name: str, number: int) -> dict[str, Any]:
            return {
                "name": name,
                "user": USERS[place],
                "servers": stage.addresses()[:: 1 if (place + number) % 2 else -1],
                "conversations": conversations,
                "owns": self._alone if place == 0 else [],
                "talks": True,
            }

        devices = [
            device(place, f"{user}-{number}", number)
            for place, user in enumerate(USERS)
            for number in range(1, DEVICES_EACH + 1)
        ]
        guest = {**device(0, GUEST, 0), "user": GUEST, "conversations": conversations[:1]}
        devices.append({**guest, "owns": [], "talks": False, "visits": self._alone[0]})
        on_javascript = [device(place, f"{user}-js", 0) for place, user in enumerate(USERS)]
        plan = {"folder": str(self._history), "secret": SECRET, "seed": self._seed, "pause_s": PAUSE_S}
        plan |= {"wanders": self._wanders, "alone": self._alone}
        logs, know = self._folder / "logs", stage.links.know
        return Crowd(
            [
                *(
                    Group(
                        f"devices-{number + 1}", {**plan, "devices": devices[number::GROUPS]}, logs, know=know
                    )
                    for number in range(GROUPS)
                ),
                Group("devices-js", {**plan, "devices": on_javascript}, logs, JAVASCRIPT, know=know),
            ]
        )

    async def _play(self, scene: Scene, witness: Witness, pulse: "Pulse", notes: Notes, say: Any) -> None:
        for name in self._names:
            kinds = [*[name] * SAME_KIND, *self._dice.choices(self._names, k=OTHER_KINDS)]
            while kinds and not await self._play_one(kinds.pop(0), scene, witness, pulse, notes, say):
                if self.outcome.stuck:
                    return

    async def _play_one(
        self, name: str, scene: Scene, witness: Witness, pulse: "Pulse", notes: Notes, say: Any
    ) -> bool:
        """Play a fault and wait until all is well again; False: it came to nothing, or all is stuck."""
        self._played += 1
        number = self._played
        await scene.wait(0.2, 1.0)
        await self._mastery.look(f"before {name}")
        began = time.time()
        notes.write("fault", fault=name, n=number, target="")
        try:
            target = await FAULTS[name](scene)
        except Exception:
            say(f"  {number:>3} {name}: the fault itself failed")
            raise
        healed = time.time()
        try:
            await scene.stage.well(WELL_WITHIN_S)
            await pulse.beat(WELL_WITHIN_S)
            await self._moving(witness)
            await self._mastery.look(name)
        except (AssertionError, TimeoutError) as error:
            self.outcome.stuck.append(f"after {name} ({target}): {error or type(error).__name__}")
            notes.write("fault.over", n=number, target=target, note="stuck")
            say(f"  {number:>3} {name} {target}: STUCK: {error}")
            return False
        notes.write("fault.over", n=number, target=target, began=began, healed=healed)
        self.outcome.faults += bool(target)
        say(f"  {number:>3} {name} {target or '(nothing)'}: well again after {time.time() - began:.1f} s")
        return bool(target)

    async def _moving(self, witness: Witness) -> None:
        """Return when every conversation moved on since now, or has nothing to do. Raises AssertionError."""
        before = await witness.standing(self._conversations)

        async def moved() -> bool:
            now = await witness.standing(list(before))
            return all(now[each] > before[each] for each in now)

        await eventually(moved, WELL_WITHIN_S, every_s=0.05)

    async def _present(self, witness: Witness, conversations: list[str]) -> None:
        """Wait until no ghost is present any more, or long enough for the checker to call it one."""
        devices = await asyncio.to_thread(load_devices, self._history)  # pulse's pongs must not wait for it
        clients = {each: set(followers(devices, each)) for each in conversations}
        with contextlib.suppress(AssertionError):
            await eventually(lambda: witness.present(clients), GHOSTS_WITHIN_S, every_s=0.2)

    async def _busy_for_good(self, witness: Witness, conversations: list[str]) -> list[str]:
        """Wait until nothing is under way, or nothing has moved for too long: then what there is. A queue
        that a slow machine works off one by one is not stuck.
        """
        before, began_s = dict[str, int](), time.monotonic()
        moved_s = began_s
        while busy := await witness.busy(conversations):
            if (now := await witness.standing(conversations)) != before:
                before, moved_s = now, time.monotonic()
            now_s = time.monotonic()
            if now_s - moved_s > SETTLES_WITHIN_S or now_s - began_s > RESTS_WITHIN_S:
                return busy
            await asyncio.sleep(0.2)
        return []

    async def _come_to_rest(
        self, witness: Witness, crowd: Crowd, pulse: "Pulse", conversations: list[str]
    ) -> None:
        """Let everything under way end, see that every device has all of it, and write down the truth."""
        if not await crowd.quiet(SETTLES_WITHIN_S):
            self.outcome.stuck.append("messages stayed unacknowledged")
        self.outcome.stuck += [f"{each} stayed" for each in await self._busy_for_good(witness, conversations)]
        tops = await witness.tops(conversations)
        unsettled = await crowd.settle(tops, SETTLES_WITHIN_S)
        self.outcome.stuck += [f"a device of {group} has not settled" for group in unsettled]
        if not await pulse.settle(tops, SETTLES_WITHIN_S):
            self.outcome.stuck.append("a device of the pulse has not settled")
        await self._present(witness, conversations)
        truth = await witness.tell(conversations, PULSE, self._alone)
        (self._history / "truth.json").write_text(json.dumps(truth, ensure_ascii=False))
        self.outcome.stuck += await witness.strays()


class Pulse:
    """Two devices of one user, one at each server: a question asked at one and answered on both proves that
    the house works.
    """

    def __init__(self, stage: Stage, history: Path, conversation: str) -> None:
        self._conversation = conversation
        addresses = stage.addresses()
        self._devices = [
            Device(
                f"{PULSE}-{place + 1}",
                PULSE,
                [addresses[place], addresses[1 - place]],
                token_of(PULSE, SECRET),
                Notes(history / "devices" / f"{PULSE}-{place + 1}.jsonl"),
                f"pulse {place}",
            )
            for place in range(2)
        ]
        self._asked = 0

    async def begin(self) -> None:
        """Connect both."""
        for device in self._devices:
            await device.begin([self._conversation], 1)

    async def beat(self, within_s: float) -> None:
        """Return when a question was acknowledged, answered, and seen answered by both.

        Raises TimeoutError, AssertionError.
        """
        self._asked += 1
        asking = self._devices[self._asked % 2]
        async with asyncio.timeout(within_s):
            turns = set(await asking.ask(self._conversation, f"pulse {self._asked}"))
            parts = [each.parts[self._conversation] for each in self._devices]
            await eventually(lambda: all(turns <= part.finished for part in parts), within_s)

    async def settle(self, tops: dict[str, int], within_s: float) -> bool:
        """As the crowd's devices do; whether both have."""
        return all([await device.settle(tops, within_s) for device in self._devices])

    async def end(self) -> None:
        """Leave."""
        for device in self._devices:
            await device.close()
