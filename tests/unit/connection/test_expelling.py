"""Who is expelled by which word: also who was judged just before it came, and after words were missed."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.connection.core.events import Claims, Ref, Refusal, TokenRefused, TokenVerified
from services.connection.expelling import REMEMBERED_S, Expelling
from services.shared.model.errors import BusUnavailable
from services.shared.model.revocation import Credential, Revocation
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics
from services.shared.wire.codes import Disconnect
from services.shared.wire.envelopes import ControlEntry


class Clock:
    """Stands where it is put."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return int(self.seconds * 1000)


class Known:
    """Revocations that are known; the first `failing` questions are not answered."""

    def __init__(self, *revocations: Revocation, failing: int = 0) -> None:
        self._revocations = list(revocations)
        self._failing = failing
        self.slow: asyncio.Event | None = None

    def learn(self, revocation: Revocation) -> None:
        self._revocations.append(revocation)

    async def revoked(self, credentials: Sequence[Credential]) -> list[bool]:
        known = [any(one.covers(each) for one in self._revocations) for each in credentials]
        if self.slow is not None:
            await self.slow.wait()
            return known
        if self._failing:
            self._failing -= 1
            raise BusUnavailable("nobody is there")
        return [any(one.covers(each) for one in self._revocations) for each in credentials]


class Device:
    """One that notes how it was dismissed."""

    def __init__(self, credential: Credential | None) -> None:
        self.session = type("Session", (), {"credential": credential, "closed": False})()
        self.fed: list[Disconnect] = []

    def feed(self, event: Any) -> None:
        self.fed.append(event.why)


def expelling(
    known: Known | None = None, clock: Clock | None = None, tasks: Tasks | None = None
) -> Expelling:
    return Expelling(known or Known(), tasks or Tasks(), clock or Clock(), Metrics())  # type: ignore[arg-type]


def verified(user: str, token: str = "", issued_ms: int = 0) -> TokenVerified:
    return TokenVerified(Ref(1), Claims(user, token=token, issued_ms=issued_ms))


ANN_OLD, ANN_NEW = Credential("ann", "t1", 1000), Credential("ann", "t2", 3000)
BOB = Credential("bob", "t3", 1000)
TOKEN = ControlEntry("token.revoked", token="t1")
USER = ControlEntry("token.revoked", user="ann", before_ms=2000)


@pytest.mark.parametrize(
    ("entry", "ends"),
    [
        (TOKEN, {ANN_OLD: Disconnect.INVALID_TOKEN}),
        (USER, {ANN_OLD: Disconnect.INVALID_TOKEN}),
        (
            ControlEntry("user.disconnected", user="ann"),
            {ANN_OLD: Disconnect.FORCED, ANN_NEW: Disconnect.FORCED},
        ),
        (ControlEntry("user.reconnected", user="bob"), {BOB: Disconnect.RECONNECT}),
        (ControlEntry("member.removed", user="ann"), {}),
        (ControlEntry("turn.cancel", user="ann"), {}),
    ],
)
def test_a_word_ends_those_it_is_about_and_nobody_else(
    entry: ControlEntry, ends: dict[Credential, Disconnect]
) -> None:
    devices = [Device(each) for each in (ANN_OLD, ANN_NEW, BOB, None)]
    expelling().obey(entry, devices)  # type: ignore[arg-type]
    for device in devices:
        assert device.fed == [ends[each] for each in [device.session.credential] if each in ends]


@pytest.mark.parametrize("entry", [TOKEN, USER])
def test_a_connection_that_opens_behind_the_word_ends_by_it(entry: ControlEntry) -> None:
    clock = Clock()
    expels = expelling(clock=clock)
    expels.obey(entry, [])
    late, other = Device(ANN_OLD), Device(ANN_NEW)
    for device in (late, other):
        expels.opened(device)  # type: ignore[arg-type]
    assert (late.fed, other.fed) == ([Disconnect.INVALID_TOKEN], [])
    clock.seconds += REMEMBERED_S + 1
    later = Device(ANN_OLD)  # judged long after the word came, and found good: Redis knows better
    expels.opened(later)  # type: ignore[arg-type]
    assert later.fed == []


def test_who_comes_back_after_a_disconnect_stays() -> None:
    expels = expelling()
    expels.obey(ControlEntry("user.reconnected", user="ann"), [])
    back = Device(ANN_OLD)
    expels.opened(back)  # type: ignore[arg-type]
    assert back.fed == []


async def test_revoked_tokens_are_invalid_and_what_cannot_be_known_is_to_be_tried_again() -> None:
    refused = TokenRefused(Ref(1), Refusal.EXPIRED)
    expels = expelling(Known(Revocation(token="t1"), failing=1))
    assert await expels.judge(refused) is refused
    assert await expels.judge(verified("ann", "t1")) == TokenRefused(Ref(1), Refusal.UNVERIFIABLE)
    assert await expels.judge(verified("ann", "t1")) == TokenRefused(Ref(1), Refusal.INVALID)
    good = verified("ann", "t2")
    assert await expels.judge(good) is good


async def test_after_a_gap_all_that_are_served_are_looked_at() -> None:
    tasks = Tasks()
    expels = expelling(Known(Revocation(user="ann", before_ms=2000)), tasks=tasks)
    devices = [Device(each) for each in (ANN_OLD, ANN_NEW, BOB, None)]
    expels.obey(ControlEntry("gap"), devices)  # type: ignore[arg-type]
    expels.obey(ControlEntry("gap"), devices)  # type: ignore[arg-type]
    for _ in range(10):
        await asyncio.sleep(0)
    assert [device.fed for device in devices] == [[Disconnect.INVALID_TOKEN], [], [], []]
    await tasks.close()


async def test_a_gap_while_tokens_are_asked_about_has_all_asked_about_again() -> None:
    tasks, known = Tasks(), Known()
    known.slow = asyncio.Event()
    expels, device = expelling(known, tasks=tasks), Device(ANN_OLD)
    expels.obey(ControlEntry("gap"), [device])  # type: ignore[list-item]
    await asyncio.sleep(0)
    known.learn(Revocation(token="t1"))  # said in the second gap; the first question was put before
    expels.obey(ControlEntry("gap"), [device])  # type: ignore[list-item]
    known.slow.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert device.fed == [Disconnect.INVALID_TOKEN]
    await tasks.close()


async def test_who_was_just_connecting_at_a_gap_is_asked_about_when_it_opened() -> None:
    tasks, clock, known = Tasks(), Clock(), Known()
    expels, device, other = expelling(known, clock, tasks), Device(None), Device(ANN_NEW)
    known.learn(Revocation(token="t1"))
    expels.obey(ControlEntry("gap"), [device])  # type: ignore[list-item]
    for _ in range(5):
        await asyncio.sleep(0)
    device.session.credential = ANN_OLD
    for each in (device, other):
        expels.opened(each)  # type: ignore[arg-type]
    for _ in range(10):
        await asyncio.sleep(0)
    assert (device.fed, other.fed) == ([Disconnect.INVALID_TOKEN], [])
    await tasks.close()
