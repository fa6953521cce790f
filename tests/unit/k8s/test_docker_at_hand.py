"""k8s/images/docker: a daemon that it starts ends with the command, whenever it told its process id."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
# The client: nobody answers at first; asked again, it answers as soon as the daemon has written its id.
CLIENT = """#!/bin/bash
[ -n "${DOCKER_HOST:-}" ] || exit 1
touch "$STATE/asked"
until [ -s "${DOCKER_HOST#unix://}.pid" ]; do :; done
"""
# The daemon: writes its id only when it was asked, so that whoever looked before found nothing.
DAEMON = """#!/bin/bash
while [ "$1" != --pidfile ]; do shift; done
until [ -f "$STATE/asked" ]; do :; done
echo $$ > "$2"
echo $$ > "${2%/pid}/socket.pid"
echo $$ > "$STATE/daemon"
exec tail -f /dev/null
"""


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    for name, text in (("docker", CLIENT), ("dockerd", DAEMON)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "k8s/images").mkdir(parents=True)
    shutil.copy(HOUSE / "k8s/images/docker", tmp_path / "k8s/images/docker")
    return tmp_path


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts a daemon")
@pytest.mark.parametrize("code", [0, 3])
def test_the_daemon_ends_with_the_command_whose_exit_code_is_handed_on(stage: Path, code: int) -> None:
    environ = {**os.environ, "PATH": f"{stage / 'bin'}:{os.environ['PATH']}", "STATE": str(stage)}
    environ.pop("DOCKER_HOST", None)
    command = [stage / "k8s/images/docker", "bash", "-c", f'echo "$DOCKER_HOST"; exit {code}']
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    pid = int((stage / "daemon").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not Path(done.stdout.strip().removeprefix("unix://")).parent.exists()


def test_who_may_not_ask_the_daemon_nor_start_one_hears_docker_s_words_and_the_group(stage: Path) -> None:
    for name, text in (
        ("docker", "echo first >&2; echo permission denied on the socket >&2; exit 1"),
        ("id", "echo 1000"),
        ("sudo", "exit 1"),
    ):
        (stage / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (stage / "bin" / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{stage / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        [stage / "k8s/images/docker", "true"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "permission denied on the socket" in line
    assert "group docker" in line
