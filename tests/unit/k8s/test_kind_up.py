"""k8s/kind-up: what it calls, in which order, and what it says is missing. No cluster runs here: the programs
are stand-ins that write down how they were called, so this says nothing of what kind or helm would answer.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from continuo_operator.arithmetic import HELM_SLACK_S, MIN_PROGRESS_S

HOUSE = Path(__file__).parents[3]
TARGETS = ["connection", "conversation", "presence", "operator", "tools"]
TOOLS = ["docker", "helm", "kind", "kubectl"]
RECORDS = '#!/bin/bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
BUILT = '[ "$1 $2" != "image inspect" ] || cat "${0%/*}/../ids"\n'


def program(path: Path, text: str = RECORDS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Stage:
    """A copy of the script in a folder with stand-ins for everything it calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        for tool in TOOLS:
            program(self.bin / tool)
        program(self.bin / "docker", RECORDS + BUILT)
        self.built("sha256:one")
        for tool in ("bash", "sed", "grep", "head", "dirname", "basename", "cat", "cksum", "cut"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        for name in ("k8s/kind-up", "k8s/values-dev.yaml", "pyproject.toml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HOUSE / name, folder / name)
        program(folder / "k8s/images/build")
        program(folder / ".venv/bin/continuo", RECORDS + "echo a-token-of-$CONTINUO_TOKEN_HMAC_SECRET\n")

    def run(self) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": str(self.bin),
            "CALLS": str(self.folder / "calls"),
            "HOME": os.environ.get("HOME", "/"),
        }
        script = str(self.folder / "k8s/kind-up")
        return subprocess.run([script], env=environ, capture_output=True, text=True, check=False)

    def built(self, ids: str) -> None:
        """What the images are after the next build."""
        (self.folder / "ids").write_text(ids)

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_it_builds_makes_a_cluster_loads_and_installs_in_this_order(stage: Stage) -> None:
    done = stage.run()
    assert done.returncode == 0, done.stderr
    words = [call.split()[:2] for call in stage.calls()]
    assert words == [
        ["docker", "version"],
        ["build", "connection"],
        ["docker", "image"],
        *[["docker", "tag"]] * 5,
        ["kind", "get"],
        ["kind", "create"],
        ["kind", "load"],
        ["kubectl", "--context"],
        ["kubectl", "--context"],
        ["helm", "upgrade"],
        ["continuo", "token"],
    ]
    load, kinds, _, install = stage.calls()[-5:-1]
    assert "apply --server-side --force-conflicts --filename charts/continuo/crds/" in kinds
    for target in TARGETS:
        assert f"continuo-{target}:" in load
    assert "--values k8s/values-dev.yaml" in install
    assert "--wait" in install.split()
    assert "--kube-context kind-continuo" in install


def test_it_prints_the_forward_and_a_chat_line_with_a_token_of_the_values_secret(stage: Stage) -> None:
    said = stage.run().stdout
    assert "port-forward service/continuo-connection 8000:80" in said
    assert "continuo chat --server ws://127.0.0.1:8000/connection/websocket" in said
    assert "--token a-token-of-for-trying-things-out-and-nothing-else" in said


def test_a_cluster_that_is_there_is_kept(stage: Stage) -> None:
    program(stage.bin / "kind", RECORDS + "[ $1 = get ] && echo continuo || true\n")
    assert stage.run().returncode == 0
    assert not [call for call in stage.calls() if call.startswith("kind create")]


def installed(stage: Stage) -> str:
    """The tag that the chart was told; the nodes were given the same."""
    before = len(stage.calls()) if (stage.folder / "calls").exists() else 0
    done = stage.run()
    assert done.returncode == 0, done.stderr
    calls = stage.calls()[before:]
    [install] = [call for call in calls if call.startswith("helm ")]
    tag = install.partition("--set images.tag=")[2].split()[0]
    [load] = [call for call in calls if call.startswith("kind load")]
    assert load.split()[-5:] == [f"continuo-{target}:{tag}" for target in TARGETS]
    tagged = [call.split()[-1] for call in calls if call.startswith("docker tag")]
    assert tagged == load.split()[-5:]
    return tag


def test_run_again_it_replaces_pods_when_what_is_in_the_images_has_changed_and_only_then(
    stage: Stage,
) -> None:
    first = installed(stage)
    assert installed(stage) == first
    stage.built("sha256:another")
    assert installed(stage) != first


@pytest.mark.parametrize("tool", TOOLS)
def test_a_program_that_is_missing_is_named_before_anything_is_done(stage: Stage, tool: str) -> None:
    (stage.bin / tool).unlink()
    done = stage.run()
    assert done.returncode == 1
    assert done.stderr.startswith(f"make kind-up needs {tool}, not found here.")
    assert not (stage.folder / "calls").exists()


def test_a_daemon_that_does_not_answer_is_told_in_docker_s_own_words(stage: Stage) -> None:
    program(
        stage.bin / "docker",
        "#!/bin/bash\necho Client: here\necho first >&2\necho permission denied >&2\nexit 1\n",
    )
    done = stage.run()
    assert done.returncode == 1
    assert "permission denied" in done.stderr
    assert "group docker" in done.stderr
    assert not (stage.folder / "calls").exists()


@pytest.mark.parametrize(
    "script",
    [
        "k8s/kind-up",
        "k8s/images/docker",
        "k8s/images/build",
        *sorted(str(path.relative_to(HOUSE)) for path in (HOUSE / "k8s/drills").iterdir()),
    ],
)
def test_scripts_are_sound_bash_and_can_be_run(script: str) -> None:
    assert subprocess.run(["bash", "-n", HOUSE / script], check=False).returncode == 0
    assert os.access(HOUSE / script, os.X_OK)


def test_helm_is_let_wait_for_longer_than_any_deployment_may_take(stage: Stage) -> None:
    stage.run()
    (install,) = [call for call in stage.calls() if call.startswith("helm upgrade")]
    minutes = int(install.partition("--timeout ")[2].removesuffix("m"))
    assert minutes * 60 >= MIN_PROGRESS_S + HELM_SLACK_S
