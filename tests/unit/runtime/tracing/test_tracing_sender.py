"""What is sent at once, and what finds no room. Spans are numbers here: the room that each takes."""

from collections import Counter
from collections.abc import Sequence

from services.shared.runtime.tracing.sender import BATCH, BATCH_ROOM, Sender


class Sent:
    """An exporter that keeps the batches it is given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def export(self, spans: Sequence[int]) -> str:
        self.batches.append(list(spans))
        return ""

    def shutdown(self) -> None:
        """Nothing is under way."""


class Sending:
    """A sender whose thread begins when all is there, and ends when all has gone."""

    def __init__(self, most: int) -> None:
        self.sent = Sent()
        self.dropped: Counter[str] = Counter()
        self.sender: Sender[int] = Sender(self.sent, self._drop, most=most, room=lambda span: span)

    def _drop(self, why: str, count: int) -> None:
        self.dropped[why] += count

    async def batches(self) -> list[list[int]]:
        self.sender.start()
        await self.sender.close()
        return self.sent.batches


async def test_the_queue_is_bounded_by_the_room_that_spans_take() -> None:
    sending = Sending(most=10)
    for spans in ([4, 4], [3], [2], [1, 1]):
        sending.sender.put(spans)
    assert (len(sending.sender), sending.dropped) == (3, Counter(full=3))
    assert await sending.batches() == [[4, 4, 2]]


async def test_a_batch_is_no_more_than_collectors_take_at_once() -> None:
    sending = Sending(most=100_000)
    large = BATCH_ROOM + 1
    sending.sender.put([1] * (BATCH + 2) + [BATCH_ROOM - 2, 5, large, large, 7])
    assert await sending.batches() == [[1] * BATCH, [1, 1, BATCH_ROOM - 2], [5], [large], [large], [7]]
