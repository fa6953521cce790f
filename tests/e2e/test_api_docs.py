"""docs/api.md as it stands: its lines are typed, and what it says of the table is what the table says."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.connection.api.problems import STATUSES
from services.local.embedded import EmbeddedRedis
from tests.support.back_end import KeysFile, api_door
from tests.support.door import Door

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
LINES = re.findall(r"^```sh\n(.+?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeysFile:
    return KeysFile(tmp_path_factory.mktemp("keys"), "docs")


@pytest.fixture(scope="module")
def door(redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory, keys: KeysFile) -> Iterator[Door]:
    with api_door(redis, tmp_path_factory.mktemp("door"), keys) as door:
        yield door


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's lines are typed with curl")
async def test_every_line_of_the_page_does_what_it_says(door: Door, keys: KeysFile) -> None:
    asked = sum(block.count("curl ") for block in LINES)
    assert asked > 8
    script = "set -eu\ncurl() { command curl --fail-with-body --noproxy '*' -w '\\n' \"$@\"; }\n" + "\n".join(
        LINES
    )
    environ = {**os.environ, "API": keys.address, "KEY": keys.keys["docs"]}
    running = await asyncio.create_subprocess_exec("bash", "-c", script, env=environ, stdout=-1, stderr=-1)
    out, complaints = await running.communicate()
    assert running.returncode == 0, out.decode()[-2000:] + complaints.decode()
    answers = [json.loads(line) for line in out.decode().splitlines() if line]
    assert len(answers) == asked
    [talk] = [each for each in answers if "conversation" in each]
    [page] = [each for each in answers if "messages" in each]
    assert [each["text"] for each in page["messages"]] == ["Shall we?"]
    assert talk["conversation"] in json.dumps(LINES)


def test_the_page_tells_every_status_with_its_codes() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| ([\d, ]+) \|", PAGE.read_text(), re.MULTILINE))
    for fault, status in STATUSES.items():
        if fault.code != 102:  # of channels, which no route has
            assert str(fault.code) in rows[str(status)].split(", "), fault
