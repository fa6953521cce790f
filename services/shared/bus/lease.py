"""Leases: one worker's right to a conversation.

Called by workers. A lease is taken for what the ready streams or the sweep found, renewed in batches, and
let go only when nothing waits. It exists once a replica knows it: `claim` returns after WAIT. Losing one is
normal; the fenced scripts of `turns` refuse whoever holds it no more, whatever the clocks say. Must never
keep state: Redis alone knows who holds what.
"""

from collections.abc import Sequence

from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.scripts import Call, script
from services.shared.model.ids import AttemptId, NodeId, TurnId
from services.shared.model.turn import Lease, Ready, Renewal

Argument = str | bytes | int | float
"""What a script may be given."""


class Leases:
    """Takes, keeps and lets go leases."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._keys = floor.keys

    async def claim(self, ready: Ready, *, worker: NodeId, attempt: AttemptId, lease_ms: int) -> Lease | None:
        """Take the lease for `lease_ms`, under a random `attempt` id no other claim ever used.

        None when somebody else holds it (and drains the FIFO) or nothing waits; the ready entry is done
        with in every case. Raises NotReplicated, and then the lease may exist: claim again with the same
        `attempt`, or leave it to run out.
        """
        at = self._keys.conversation(ready.conversation)
        keys = [at.base, at.lease, at.fifo, at.shared.ready, at.shared.running]
        args: list[Argument] = [ready.conversation, ready.entry or "", worker, attempt, lease_ms]
        token = await self._scripts.acknowledged("claim", keys, args)
        return None if token is None else Lease(ready.conversation, int(token), attempt, worker)

    async def renew(self, leases: Sequence[Lease]) -> Renewal:
        """Keep leases for another `lease_ms` each, in one round trip."""
        replies = await self._scripts.batch([self._renewing(lease) for lease in leases])
        lost = (lease.attempt for lease, reply in zip(leases, replies, strict=True) if reply is None)
        return Renewal(frozenset(lost), frozenset(TurnId(reply.decode()) for reply in replies if reply))

    async def release(self, lease: Lease) -> bool:
        """Let go, but only when nothing waits; False: go on. Raises LeaseLost."""
        return await self._let_go(lease, hand_over=False)

    async def hand_over(self, lease: Lease) -> None:
        """Let go although turns wait or run: the next worker hears of them at once. For a worker that
        ends. Raises LeaseLost.
        """
        await self._let_go(lease, hand_over=True)

    async def _let_go(self, lease: Lease, *, hand_over: bool) -> bool:
        at = self._keys.conversation(lease.conversation)
        keys = [at.base, at.fifo, at.shared.running, at.lease, at.shared.ready]
        args: list[Argument] = [lease.conversation, int(hand_over), lease.token, lease.attempt]
        return bool(await self._scripts.run("release", keys, args))

    def _renewing(self, lease: Lease) -> Call:
        at = self._keys.conversation(lease.conversation)
        keys = [at.base, at.fifo, at.shared.running, at.lease]
        return Call(script("renew"), keys, [lease.conversation, "", lease.token, lease.attempt])


def fence_keys(at: ConversationKeys) -> list[str]:
    """KEYS[1] to KEYS[4] of every fenced script that appends."""
    return [*at.appending, at.lease]


def fence_args(journal_args: Sequence[int], lease: Lease) -> list[Argument]:
    """ARGV[1] to ARGV[4] of every fenced script that appends."""
    return [*journal_args, lease.token, lease.attempt]
