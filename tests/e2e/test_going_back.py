"""Two devices of a person, at two servers: one edits what the other said, and has an answer given anew. Both
show the same, and so does one that comes later.
"""

import asyncio
from typing import Any

from centrifuge import SubscribedContext

from services.local.device import new_id
from services.local.render import Log
from tests.e2e.conftest import Arrive
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually


def screen(followed: Followed) -> list[str]:
    """The texts that a person sees on a device that was told this, the unfinished behind."""
    log = Log()
    for told in followed.told:
        if isinstance(told, SubscribedContext):
            log.replace_open(told.data["open"], keep=bool(told.recovered))
        else:
            log.apply(told.pub.data)
    assert (log.misfits, log.repeats) == (0, 0)
    return [line.text if line.finished else f"{line.text} ..." for line in log.lines()]


async def shows(followed: Followed, texts: list[str]) -> None:
    def same() -> bool:
        assert screen(followed) == texts
        return True

    await eventually(same, within_s=20)


async def back(device: Official, conversation: str, message: str, **how: Any) -> Any:
    wanted = {"conversation": conversation, "id": new_id(), "message": message, "ask": True, **how}
    return await device.rpc("conversation.rewind", **wanted)


async def test_a_message_is_edited_and_answered_anew_from_another_device(arrive: Arrive) -> None:
    phone, laptop = await arrive("ann"), await arrive("ann", server=1)
    conversation = await phone.create()
    (_, one), (_, two) = await phone.follow(conversation), await laptop.follow(conversation)
    two_, three, four = "Counting: 1, 2. Done.", "Counting: 1, 2, 3. Done.", "Counting: 1, 2, 3, 4. Done."
    await phone.send(conversation, "count to 2")
    await shows(two, ["count to 2", two_])
    await phone.send(conversation, "count to 3")
    await shows(two, ["count to 2", two_, "count to 3", three])

    # the laptop sees where it can go back to, and edits what was said on the phone
    ways = await laptop.rpc("conversation.checkpoints", conversation=conversation, agent="assistant")
    first, second = [event["message"] for event in two.events("message.created")]
    assert [way["message"] for way in ways["checkpoints"]] == [second, first]
    done = await back(laptop, conversation, second, text="count to 4")
    assert len(done["turns"]) == 1
    for followed in (one, two):
        await shows(followed, ["count to 2", two_, "count to 4", four])
        [event] = followed.events("conversation.rewound")
        assert (event["message"], event["text"], event["by"]) == (second, "count to 4", "ann")

    # the phone has the first answer given anew, and all behind it goes
    await back(phone, conversation, first)
    for followed in (one, two):
        await shows(followed, ["count to 2", two_])

    # both edit at once: one order, the later one holds on both
    await asyncio.gather(
        back(phone, conversation, first, text="count to 3"),
        back(laptop, conversation, first, text="count to 4"),
    )
    orders = []
    for followed in (one, two):
        await eventually(lambda got=followed: len(got.events("conversation.rewound")) == 4, within_s=20)  # type: ignore[misc]
        orders.append([event.get("text") for event in followed.events("conversation.rewound")])
    assert orders[0] == orders[1]
    last = {"count to 3": ["count to 3", three], "count to 4": ["count to 4", four]}[str(orders[0][-1])]
    for followed in (one, two):
        await shows(followed, last)

    # who comes later sees the same, and the agent knows nothing else
    late = await arrive("ann")
    page = await late.rpc("conversation.history", conversation=conversation)
    assert [message["text"] for message in page["messages"]] == last
    await phone.send(conversation, "count to 2")
    for followed in (one, two):
        await shows(followed, [*last, "count to 2", two_])
