"""Several devices: one user, three devices, one of them away for a while; all end equal."""

from services.local.demo.checks import as_history, same_logs, sound_streams
from services.local.demo.stage import Stage


async def run(stage: Stage) -> list[str]:
    """Returns what did not hold."""
    devices = {
        "phone": await stage.device("fay", 0),
        "laptop": await stage.device("fay", 1),
        "tablet": await stage.device("fay", 0),
    }
    phone, laptop, tablet = devices.values()
    conversation = await phone.create("three devices")
    followed = {name: await device.follow(conversation) for name, device in devices.items()}
    await phone.send(conversation, "Hello from the phone.")
    await stage.until_quiet(list(followed.values()))
    stage.say("one user with three devices; all show the first message and its answer")

    await tablet.pause()
    shown_before = len(followed["tablet"].log.lines())
    stage.say(f"the tablet is away, with {shown_before} messages")
    present = [followed["phone"], followed["laptop"]]
    for number in range(1, 6):
        await laptop.send(conversation, f"The tablet does not hear number {number}.")
    await stage.until_quiet(present)
    await laptop.send(conversation, "Please count to 150.")
    await stage.until(
        lambda: any(not line.finished and len(line.text) > 40 for line in present[0].log.lines()),
        "a long answer to stream",
    )

    await tablet.connect()
    await stage.until(lambda: followed["tablet"].live, "the tablet to be back")
    midway = [line for line in followed["tablet"].log.lines() if not line.finished]
    stage.say(f"the tablet came back{' in the middle of an answer' if midway else ''}")
    await phone.send(conversation, "Is everybody here?")
    await stage.until_quiet(list(followed.values()))
    stage.say(f"all three show {len(followed['tablet'].log.lines())} messages")

    faults = same_logs(followed) + as_history(followed, await tablet.history(conversation))
    faults += sound_streams(followed)
    if followed["tablet"].resets > 1:
        faults.append("the tablet had to read the history again instead of recovering")
    if not faults:
        stage.say("same messages, same order, same texts on all three; history says the same")
    await stage.close_devices()
    return faults
