"""Which Redis a command asks."""

from pathlib import Path

import pytest

from services.local.cli import main
from services.local.home import Home, Running
from services.local.reached import SENTINELS_VARIABLE, redis_environment, who_named_it


def test_the_redis_named_comes_before_the_environments_and_that_before_what_runs_here(tmp_path: Path) -> None:
    environ = {"CONTINUO_HOME": str(tmp_path), "CONTINUO_PARTITIONS": "8"}
    assert SENTINELS_VARIABLE not in redis_environment(None, environ)
    Home(tmp_path).note(Running(["ws://here"], "running:1"))
    assert redis_environment(None, environ) == {**environ, SENTINELS_VARIABLE: "running:1"}
    environ[SENTINELS_VARIABLE] = "environment:1"
    assert redis_environment(None, environ)[SENTINELS_VARIABLE] == "environment:1"
    assert redis_environment("named:1", environ)[SENTINELS_VARIABLE] == "named:1"


def test_a_redis_that_nobody_named_is_the_one_of_up(tmp_path: Path) -> None:
    environ = {"CONTINUO_HOME": str(tmp_path)}
    assert "Is `continuo up` running?" in who_named_it(None, environ)
    assert who_named_it("named:1", environ) == ""
    assert who_named_it(None, {**environ, SENTINELS_VARIABLE: "environment:1"}) == ""


@pytest.mark.parametrize(
    "command", [["doctor"], ["backup", "--to", "b"], ["audit"], ["dead-letters", "list"]]
)
def test_while_nothing_runs_here_it_is_asked_whether_up_runs_and_nothing_is_left(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONTINUO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(SENTINELS_VARIABLE, raising=False)
    monkeypatch.setenv("CONTINUO_REDIS_DEADLINE_S", "0.3")
    Home(tmp_path / "home").note(Running(["ws://here"], "127.0.0.1:1"))
    assert main(command) == 1
    assert "Is `continuo up` running?" in capsys.readouterr().out
    assert not (tmp_path / "b").exists()
    assert main([command[0], "--sentinels", "127.0.0.1:1", *command[1:]]) == 1
    assert "continuo up" not in capsys.readouterr().out
