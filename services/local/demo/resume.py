"""Resume: a server is killed in the middle of an answer, then everything is restarted; nothing is lost."""

from services.local.demo.checks import as_history, same_logs, sound_streams
from services.local.demo.stage import SERVERS, Stage
from services.local.device import Device
from services.local.following import Followed

_STREAMED = 60
"""Characters of an answer that must be on the screen before the server is killed."""


async def run(stage: Stage) -> list[str]:
    """Returns what did not hold."""
    traveller, witness = await stage.device("ana", 0), await stage.device("ana", 1)
    conversation = await traveller.create("a long answer")
    followed = {
        "the traveller": await traveller.follow(conversation),
        "the witness": await witness.follow(conversation),
    }
    faults = await _killed_in_an_answer(stage, traveller, conversation, followed)
    faults += await _everything_restarted(stage, witness, conversation, followed)
    await stage.close_devices()
    return faults


async def _killed_in_an_answer(
    stage: Stage, traveller: Device, conversation: str, followed: dict[str, Followed]
) -> list[str]:
    seen = followed["the traveller"]
    holder = SERVERS[0]
    await traveller.send(conversation, "My name is Ana. Please count to 200.")
    await stage.until(lambda: _open_text(seen) >= _STREAMED, "the answer to stream")
    at_death = _open_text(seen)
    stage.services.child(holder).kill()
    stage.say(f"killed {holder} with {at_death} characters of the answer on the traveller's screen")

    await stage.until(lambda: len(seen.sessions) > 1 and seen.live, "the traveller to be on the other server")
    at_return = _open_text(seen)
    await stage.until_quiet(list(followed.values()))
    whole = len(seen.log.lines()[-1].text)
    stage.say(f"back on the other server with {at_return} characters, the whole answer has {whole}")

    faults = [] if at_return else ["the answer was over before the traveller was back: nothing was shown"]
    faults += same_logs(followed) + sound_streams(followed)
    faults += as_history(followed, await traveller.history(conversation))
    if not faults:
        stage.say("the traveller's log equals that of the device that never left, and the history")
    return faults


async def _everything_restarted(
    stage: Stage, witness: Device, conversation: str, followed: dict[str, Followed]
) -> list[str]:
    await stage.restart_services()
    stage.say("every process but Redis was restarted")
    await witness.send(conversation, "What is my name?")
    before = len(followed["the witness"].log.lines())

    def answered() -> bool:
        lines = followed["the witness"].log.lines()
        return len(lines) > before and lines[-1].author == "assistant" and lines[-1].finished

    await stage.until(answered, "an answer after the restart")
    await stage.until_quiet(list(followed.values()))
    answer = followed["the witness"].log.lines()[-1].text
    stage.say(f"asked for the name it was told before the restart, it says: {answer}")
    faults = [] if "Ana" in answer else [f"the conversation does not remember: {answer!r}"]
    faults += same_logs(followed) + sound_streams(followed)
    faults += as_history(followed, await witness.history(conversation))
    return faults


def _open_text(followed: Followed) -> int:
    """Characters of the unfinished answer on the screen."""
    return sum(len(line.text) for line in followed.log.lines() if not line.finished)
