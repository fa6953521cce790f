"""schemathesis against a real server: all its checks, with data that fits the document, and that does not."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.back_end import BackEnd, KeysFile
from tests.support.door import Door

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
EXAMPLES = 15
CONFIG = """\
# What fits the schema and is refused all the same: a message or member that is not there, one argument that
# does not fit another, a time that is to come.
[[operations]]
include-operation-id = ["token.revoke", "conversation.configure", "conversation.create"]
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 400, 403, 404]

[[operations]]
include-operation-id = [
    "conversation.send", "conversation.answer", "conversation.rewind", "conversation.members.role",
    "message.edit", "message.delete", "message.versions", "message.react",
]
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 400, 403, 404, 409, 410]
"""


async def test_the_document_is_kept_to_by_everything_that_is_answered(
    door: Door, keys: KeysFile, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    async with BackEnd(keys.address, keys.keys["billing"], "ann") as ann:
        made = await ann.done("conversation.create", members=["bob"], answers={"assistant": "never"})
    known = {"API_CONVERSATION": made["conversation"], "API_USER": "ann"}
    environ = {**os.environ, **known, "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks"}
    command = [
        *("schemathesis", "--config-file", str(config), "run", f"{keys.address}/openapi.json"),
        *("--header", f"Authorization: Bearer {keys.keys['billing']}"),
        *("--checks", "all", "--mode", "all", "--phases", "coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--continue-on-failure", "--warnings", "off"),
        *("--suppress-health-check", "all", "--generation-database", "none"),
    ]
    command[0] = str(Path(sys.executable).with_name(command[0]))
    running = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env={**environ, "PYTHONPATH": str(HOUSE)}, stdout=-1, stderr=-2
    )
    told, _ = await running.communicate()
    assert running.returncode == 0, told.decode()
    assert door.child.alive
    assert "request failed" not in door.log()
