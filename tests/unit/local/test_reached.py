"""Which Redis a command asks."""

from pathlib import Path

from services.local.home import Home, Running
from services.local.reached import SENTINELS_VARIABLE, redis_environment


def test_the_redis_named_comes_before_the_environments_and_that_before_what_runs_here(tmp_path: Path) -> None:
    environ = {"CONTINUO_HOME": str(tmp_path), "CONTINUO_PARTITIONS": "8"}
    assert SENTINELS_VARIABLE not in redis_environment(None, environ)
    Home(tmp_path).note(Running(["ws://here"], "running:1"))
    assert redis_environment(None, environ) == {**environ, SENTINELS_VARIABLE: "running:1"}
    environ[SENTINELS_VARIABLE] = "environment:1"
    assert redis_environment(None, environ)[SENTINELS_VARIABLE] == "environment:1"
    assert redis_environment("named:1", environ)[SENTINELS_VARIABLE] == "named:1"
