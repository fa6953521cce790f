"""The line that `continuo up` prints for a chat: an agent that is there answers it."""

from pathlib import Path

import pytest

from services.local.home import Home
from services.local.named_agents import for_chat
from services.local.up import _greet


@pytest.fixture
def project(tmp_path: Path) -> Path:
    file = tmp_path / "langgraph.json"
    file.write_text(
        '{"dependencies": ["."], "graphs": {"greeter": "./agent.py:graph", "poet": "./p.py:graph"}}'
    )
    return file


def test_where_the_usual_agent_answers_nobody_is_named(project: Path) -> None:
    assert for_chat("") == ""
    assert for_chat("assistant=module:graph") == ""
    assert for_chat(f"{project}, assistant=module:graph") == ""


def test_else_the_first_that_is_there_is(project: Path) -> None:
    assert for_chat(str(project)) == " --agents greeter"
    assert for_chat(f"tutor=module:graph,{project}") == " --agents tutor"


@pytest.mark.parametrize("content", [None, "not json", "[]", "{}", '{"graphs": 1}'])
def test_what_cannot_be_read_is_left_to_the_worker_to_tell(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "langgraph.json"
    if content is not None:
        file.write_text(content)
    assert for_chat(str(file)) == ""


def test_what_is_printed_next_names_it(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _greet(Home(tmp_path / "home"), {"CONTINUO_GRAPHS": str(project)}, [1, 2, 3, 4], "")
    said = capsys.readouterr().out
    assert "chat --user alice --agents greeter\n" in said
    _greet(Home(tmp_path / "home"), {}, [1, 2, 3, 4], "")
    assert "chat --user alice\n" in capsys.readouterr().out
