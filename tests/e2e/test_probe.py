"""`continuo probe` against the whole house, and against one that would lose or repeat something."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.local import roundtrip
from services.local.ending import LocalError
from services.local.roundtrip import USER, Probe
from services.shared.bus.keys import Keys
from tests.support.machine import continuo
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.whole_house import SECRET, WholeHouse


def test_it_says_what_held_and_leaves_no_conversation(house: WholeHouse, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    url = house.address().removesuffix("/connection/websocket")
    done = continuo(tmp_path, "probe", url, "--secret-file", str(secret))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "none missed, none twice" in done.stdout
    assert len(done.stdout.splitlines()) == 1


async def test_it_deletes_what_it_made(house: WholeHouse) -> None:
    await Probe(house.address(), house.token(USER)).run()
    async with open_bus(house.redis) as bus:
        listed = Keys(bus.floor.settings.partitions).user(USER).conversations

        async def nothing_left() -> bool:
            return not await bus.floor.commands.exists(listed)

        await eventually(nothing_left, within_s=20)


def test_a_token_that_is_not_taken_is_one_sentence(house: WholeHouse, tmp_path: Path) -> None:
    done = continuo(tmp_path, "probe", house.address(), "--token", house.token(USER, secret="another" * 8))
    assert done.returncode == 1
    [line] = done.stdout.splitlines()
    assert "does not take the connection: invalid token (3500)" in line


def test_without_a_secret_in_this_folder_there_is_none_made(tmp_path: Path) -> None:
    done = continuo(tmp_path / "home", "probe", "ws://127.0.0.1:1")
    assert done.returncode == 1
    [line] = done.stdout.splitlines()
    assert "no `continuo up` was started in this folder" in line
    assert not (tmp_path / "home").exists()


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = continuo(tmp_path, "probe", "ws://127.0.0.1:1", "--token", "x", "--within", "1")
    assert done.returncode == 1
    [line] = done.stdout.splitlines()
    assert "not within 1 s: connecting to ws://127.0.0.1:1" in line


def test_so_is_one_that_is_waited_for_longer_than_the_sdk_waits_by_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roundtrip, "_STEP_S", 0.05)
    given = argparse.Namespace(url="ws://127.0.0.1:1", token="x", secret_file=None, within=1.0)
    assert roundtrip.run(given) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert "not within 1 s: connecting to ws://127.0.0.1:1" in line


@pytest.mark.parametrize(
    ("by", "fault"), [(1, "came back missed event"), (-1, "heard event .* twice"), (10**6, "did not recover")]
)
async def test_an_event_lost_or_repeated_behind_the_cut_is_named(
    house: WholeHouse, monkeypatch: pytest.MonkeyPatch, by: int, fault: str
) -> None:
    """The device comes back with another position than its own: what a server at fault would make of it."""
    cut = roundtrip._cut

    async def cut_and_moved(client: Any) -> None:
        await cut(client)
        [subscription] = client.subscriptions().values()
        subscription._offset += by

    monkeypatch.setattr(roundtrip, "_cut", cut_and_moved)
    with pytest.raises(LocalError, match=fault):
        async with asyncio.timeout(30):
            await Probe(house.address(), house.token(USER)).run()
