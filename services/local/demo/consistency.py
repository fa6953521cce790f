"""Consistency: five users on two servers say 200 things at once, and all see one conversation."""

import asyncio
from collections import Counter

from services.local.demo.checks import as_history, same_logs, sound_streams
from services.local.demo.stage import Stage
from services.local.following import Followed

USERS = ("ana", "ben", "cem", "dia", "eli")
MESSAGES = 200
_ANSWERS = 3
"""Answers to wait for, so that the agent's messages stand among the people's; the other 197 would take
minutes.
"""


async def run(stage: Stage) -> list[str]:
    """Returns what did not hold."""
    devices = {user: await stage.device(user, number % 2) for number, user in enumerate(USERS)}
    conversation = await devices["ana"].create("everybody at once", members=USERS[1:])
    followed = {user: await device.follow(conversation) for user, device in devices.items()}
    stage.say(f"{len(USERS)} users on 2 servers are in one conversation")

    texts = {f"{user} says number {n}": user for user in USERS for n in range(1, MESSAGES // len(USERS) + 1)}
    sent = await asyncio.gather(*(devices[user].send(conversation, text) for text, user in texts.items()))
    stage.say(f"{len(set(sent))} messages sent at once, all acknowledged")

    def all_seen() -> bool:
        return all(set(sent) <= {line.message for line in one.log.lines()} for one in followed.values())

    await stage.until(all_seen, "every device to show all messages")
    await stage.until(lambda: _answers(followed["ana"]) >= _ANSWERS, "the agent to answer")
    cancelled = (await devices["ana"].call("conversation.cancel", {"conversation": conversation}))["turns"]
    await stage.until_quiet(list(followed.values()))
    lines = followed["ana"].log.lines()
    stage.say(f"every device shows {len(lines)} messages, {_answers(followed['ana'])} of them answers")
    stage.say(f"{len(cancelled)} answers that still waited were cancelled")

    counted = Counter(line.text for line in lines if line.author in USERS)
    wrong = [text for text in texts if counted[text] != 1]
    history = await devices["eli"].history(conversation)
    faults = [f"shown {counted[text]} times: {text!r}" for text in wrong[:5]]
    faults += same_logs(followed) + as_history(followed, history) + sound_streams(followed)
    if not faults:
        stage.say("same messages, same order everywhere; no gap, no repeat; history says the same")
    await stage.close_devices()
    return faults


def _answers(followed: Followed) -> int:
    return sum(line.finished and line.author not in USERS for line in followed.log.lines())
