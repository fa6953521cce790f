"""docs/agents.md, typed as it stands there: from a bare project to a conversation."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.servers import free_ports
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
PAGE = (HOUSE / "docs/agents.md").read_text().partition("## In five minutes")[2].partition("\n## ")[0]
PROJECT, RUN, CHAT = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
[SESSION] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
SECOND, LET_IN = re.findall(r"`(.venv/bin/continuo chat[^`]*|/add [^`]*)`", PAGE)
AGENT = CHAT.split()[-1]
PROMPT = "alice> "


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone has, as far as the page needs it."""
    for name in (".venv", ".ci", "Makefile", "pyproject.toml", "constraints.txt", "services", "operator"):
        (tmp_path / name).symlink_to(HOUSE / name)
    return tmp_path


def environ() -> dict[str, str]:
    """A person's, but for the ports: others test on this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONTINUO_")}
    return {**inherited, "PORTS": ",".join(map(str, free_ports(4))), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def machine(clone: Path) -> Iterator[subprocess.Popen[str]]:
    """Typed: the project, then what starts everything."""
    subprocess.run(["bash", "-euc", PROJECT], cwd=clone, check=True)
    with (clone / "said").open("w") as said:
        process = subprocess.Popen(
            ["bash", "-euc", RUN], cwd=clone, env=environ(), stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield process  # type: ignore[misc]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


async def test_the_page_leads_from_a_bare_project_to_a_conversation(
    clone: Path, machine: subprocess.Popen[str]
) -> None:
    def ready() -> bool:
        said = (clone / "said").read_text()
        assert machine.poll() is None, said
        return "Ctrl-C here ends everything" in said

    await eventually(ready, within_s=90.0, every_s=0.2)
    typed = [line.removeprefix(PROMPT) for line in SESSION.splitlines() if line.startswith(PROMPT)]
    answered = [line for line in SESSION.splitlines() if not line.startswith(PROMPT)]
    assert len(typed) == len(answered) == 2
    shown = chat(clone, CHAT, *typed)
    assert [line for line in shown.splitlines() if line in answered] == answered, shown
    assert CHAT.startswith(SECOND), "the page says so of the same user"
    again = chat(clone, SECOND, LET_IN)
    assert [line for line in again.splitlines() if line in answered] == answered, again
    bobs = chat(clone, SECOND.replace("alice", LET_IN.split()[1]), "/list")
    assert f"with {AGENT}" in bobs, bobs


def chat(clone: Path, command: str, *lines: str) -> str:
    """Type these lines, and read until all was answered."""
    words = ["bash", "-euc", command]
    ended = subprocess.run(
        words,
        cwd=clone,
        input="".join(f"{line}\n" for line in lines),
        env=environ(),
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return ended.stdout
