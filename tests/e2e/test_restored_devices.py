"""A restore as devices live through it: the official client stays up while the house under it becomes that of
a backup.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from centrifuge import ReplyError

from services.local.loading import lay
from tests.support.machine import continuo
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

SLOWLY = "Please count to 300."
"""An answer that is under way for long."""


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[WholeHouse]:
    whole = WholeHouse(tmp_path / "house", CONTINUO_TOKEN_MS="40")
    try:
        (tmp_path / "house").mkdir()
        whole.start()
        yield whole
    finally:
        whole.stop()


@pytest.mark.slow
async def test_devices_ahead_of_the_backup_read_anew_and_others_go_on(
    own_house: WholeHouse, tmp_path: Path
) -> None:
    house = own_house
    ann = await Official(house.address(0), lambda: house.token("ann")).connect()
    bob = await Official(house.address(1), lambda: house.token("bob")).connect()
    talk, still = await ann.create("bob"), await ann.create("bob")
    (_, anns), (_, bobs) = await ann.follow(talk), await bob.follow(talk)
    _, stills = await ann.follow(still)

    # Bob leaves before the backup, and stands behind it; ann goes on, and will be ahead of it.
    await ann.send(talk, "Hello, bob.")
    await eventually(lambda: bobs.events("turn.finished"), 30)
    await bob.client.disconnect()
    await ann.send(talk, SLOWLY)
    await eventually(lambda: anns.events("message.delta"), 30)
    made = continuo(
        tmp_path, "backup", "--to", str(tmp_path / "backups"), "--sentinels", house.redis.sentinels
    )
    assert made.returncode == 0, made.stdout + made.stderr
    await eventually(lambda: len(anns.events("turn.finished")) == 2, 60)
    lost = await ann.create("bob")
    await eventually(lambda: _heard_of(ann, lost), 30)
    await ann.send(talk, "This is lost.")
    await eventually(lambda: len(anns.events("turn.finished")) == 3, 60)

    [backup] = (tmp_path / "backups").iterdir()
    await house.stop_services()
    await house.replace_redis(lambda folder: lay(backup, folder))
    done = continuo(tmp_path, "restored", "--sentinels", house.redis.sentinels)
    assert done.returncode == 0, done.stdout + done.stderr
    await house.start_services()

    # Ann's client comes back by itself, and is told: in the conversation, and on her own channel.
    await eventually(lambda: len(anns.subscribed) == 2, 60)
    assert anns.subscribed[1].was_recovering
    assert not anns.subscribed[1].recovered
    assert ann.noted.server_side[-1].was_recovering
    assert not ann.noted.server_side[-1].recovered
    with pytest.raises(ReplyError):
        await ann.send(lost, "Is there anybody?")
    await eventually(lambda: len(stills.subscribed) == 2, 30)
    assert stills.subscribed[1].recovered  # nothing happened there since the backup

    # Bob goes on from where he stood, with nothing missed: the question, and the end of its answer, once.
    before = len(bobs.told)
    await bob.client.connect()
    await eventually(lambda: len(bobs.subscribed) == 2, 60)
    assert bobs.subscribed[1].recovered
    await eventually(lambda: len(bobs.events("turn.finished")) == 2, 90)
    assert [event.get("text") for event in _created(bobs, before)] == [SLOWLY]
    assert "This is lost." not in bobs.said()
    offsets = bobs.offsets()
    assert offsets == sorted(set(offsets))

    # What waited was answered once, and the house goes on.
    history = (await bob.rpc("conversation.history", conversation=talk))["messages"]
    assert [each["text"] for each in history if each.get("user")] == ["Hello, bob.", SLOWLY]
    assert len([each for each in history if each.get("agent")]) == 2
    await ann.send(talk, "And now?")
    for each in (anns, bobs):
        await eventually(lambda each=each: "And now?" in each.said(), 30)
    for device in (ann, bob):
        await device.leave()


def _heard_of(device: Official, conversation: str) -> bool:
    """Whether its own channel told of this conversation."""
    return any(ctx.pub.data.get("conversation") == conversation for ctx in device.noted.publications)


def _created(followed: Followed, since: int) -> list[dict[str, Any]]:
    told = [each.pub.data for each in followed.told[since:] if hasattr(each, "pub")]
    return [event for event in told if event["type"] == "message.created"]
