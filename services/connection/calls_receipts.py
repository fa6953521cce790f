"""RPCs about what people have read, and that they are typing, done on the bus. Called by deeds.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.shared.model.errors import ContinuoError
from services.shared.model.ids import ConversationId, UserId
from services.shared.runtime.clock import Clock
from services.shared.wire import rpc

TYPING_EVERY_S = 2.0
"""Of what one user says of typing in one conversation, one word of each kind in so long is told."""
TYPING_ENDS_MS = 6_000
"""A client that hears no more of it takes typing for over."""
MOST_TYPING = 10_000
"""Words that are remembered at once; beyond that all but the newest are told, rather than kept."""


class TypingThrottle:
    """Passes over what is said too often. Keeps what was said within the last seconds, and no more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[tuple[str, str, bool], float] = {}

    def passes(self, conversation: str, user: str, typing: bool) -> bool:
        """Whether this is to be told; then it is remembered."""
        now = self._clock.monotonic()
        self._forget(now)
        word = (conversation, user, typing)
        if word in self._said:
            return False
        self._said[word] = now
        return True

    def forget(self, conversation: str, user: str, typing: bool) -> None:
        """This was not told after all."""
        self._said.pop((conversation, user, typing), None)

    def _forget(self, now: float) -> None:
        """Oldest first, as they were put in."""
        while self._said:
            word, at = next(iter(self._said.items()))
            if now - at < TYPING_EVERY_S and len(self._said) < MOST_TYPING:
                return
            del self._said[word]


class ReceiptCalls:
    """How far one has read, and typing."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._throttle = TypingThrottle(clock)

    def calls(self) -> Calls:
        """Each by its name."""
        return {"conversation.read": self._read, "conversation.typing": self._typing}

    async def _read(self, user: UserId, wanted: rpc.Read) -> rpc.ReadSoFar:
        noted = await self._bus.receipts.read(ConversationId(wanted.conversation.lower()), user, wanted.seq)
        return rpc.ReadSoFar(noted.position, noted.read.seq, noted.read.unread, noted.repeated)

    async def _typing(self, user: UserId, said: rpc.Typing) -> rpc.TypingTaken:
        conversation = ConversationId(said.conversation.lower())
        if self._throttle.passes(conversation, user, said.typing):
            try:
                await self._bus.receipts.typing(
                    conversation, user, typing=said.typing, expires_ms=TYPING_ENDS_MS
                )
            except ContinuoError:  # not told: who may not is to hear so the next time, too
                self._throttle.forget(conversation, user, said.typing)
                raise
        return rpc.TypingTaken()
