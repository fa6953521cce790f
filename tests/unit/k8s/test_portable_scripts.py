"""Scripts that people run on their own machines do with what macOS has too: no GNU `timeout`, no `shuf`.

They run here with nothing on PATH but stand-ins and the programs that both have.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
BOTH_HAVE = ["bash", "dirname", "head", "mkdir", "rm", "sed", "seq", "sleep"]
OFFICIAL = "official:1"
RECORDS = '#!/bin/bash\necho "NAME $*" >> "$CALLS"\n'


class Stage:
    """A copy of a script, and a PATH of its own; `calls` is what the stand-ins were asked."""

    def __init__(self, folder: Path, script: str) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in BOTH_HAVE:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        self.script = folder / script
        self.script.parent.mkdir(parents=True)
        shutil.copy(HOUSE / script, self.script)
        (folder / "pyproject.toml").write_text('version = "7"\n')
        (folder / "Dockerfile").write_text(f"ARG BASE={OFFICIAL}\n")
        (folder / "calls").touch()

    def stand_in(self, name: str, text: str = "") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECORDS.replace("NAME", path.name) + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, *arguments: str) -> list[str]:
        environ = {"PATH": str(self.bin), "CALLS": str(self.folder / "calls"), "PULL_S": "1"}
        done = subprocess.run(
            [self.script, *arguments], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def build(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path, "k8s/images/build")
    for name in ("bin/mmdebstrap", ".venv/bin/python"):
        stage.stand_in(name)
    stage.stand_in("bin/id", "echo 0\n")
    return stage


def based_on(calls: list[str]) -> str:
    [built] = [call for call in calls if call.startswith("docker build")]
    return built.partition("BASE=")[2].split()[0]


def test_images_are_built_on_the_official_base_where_it_can_be_pulled(build: Stage) -> None:
    build.stand_in("bin/docker", 'case "$1" in image) exit 1;; esac\n')
    assert based_on(build.run("connection")) == OFFICIAL


@pytest.mark.parametrize("pull", ["exit 1", f'echo $$ > "$CALLS.pull"; exec {shutil.which("sleep")} 600'])
def test_a_pull_that_fails_or_hangs_is_given_up_for_a_base_made_here(build: Stage, pull: str) -> None:
    build.stand_in("bin/docker", f'case "$1" in image) exit 1;; pull) {pull};; esac\n')
    assert based_on(build.run("connection")) == "continuo-base:trixie"
    hung = build.folder / "calls.pull"
    if hung.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(hung.read_text()), 0)


def test_one_of_the_connection_pods_is_killed(tmp_path: Path) -> None:
    drill = Stage(tmp_path, "k8s/drills/kill-a-pod")
    drill.stand_in("bin/kubectl", 'case "$*" in *--output*) echo pod/a; echo pod/b;; esac\n')
    deleted = [call.split()[6] for call in drill.run() if " delete " in call]
    assert deleted in (["pod/a"], ["pod/b"])


def test_a_drained_node_keeps_the_development_redis(tmp_path: Path) -> None:
    drill = Stage(tmp_path, "k8s/drills/drain-a-node")
    drill.stand_in("bin/kubectl", 'case "$*" in *nodes*) echo node/one; echo node/two;; esac\n')
    calls = [call.split()[5:] for call in drill.run()]
    [drained] = [call for call in calls if call[0] == "drain"]
    assert drained[1] == "one"
    assert drained[drained.index("--pod-selector") + 1] == "app.kubernetes.io/component!=redis"
    assert calls[-1] == ["uncordon", "one"]
