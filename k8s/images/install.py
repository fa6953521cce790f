"""Fills /app while an image is built: called by the Dockerfile, one step each, so that steps are cached.

`install.py [EXTRA...]` puts what all services need, and what these extras of pyproject.toml need, into
/app/.venv, without the project; `--build-tools` fetches what building the project needs, `--project` builds
it into /app/project. All in the versions of constraints.txt, as wheels: from /wheels and nowhere else if
there are any, else from the package index that pip is set up for. Runs in the base image with nothing but
the standard library.
"""

import compileall
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WHEELS = Path("/wheels")
VENV = Path("/app/.venv")
PROJECT = Path("/app/project")
TOOLS = Path("/build/tools")
NAME = "continuo-server"
BUILD = "import os; os.mkdir('dist'); from hatchling.build import build_wheel; build_wheel('dist')"
COMMAND = """#!/app/.venv/bin/python
import sys
from services.local.cli import main
sys.exit(main())
"""


def requirements(pyproject: dict[str, Any], extras: Iterable[str]) -> Iterator[str]:
    """What the project and these extras need; an extra that names others of the project brings theirs."""
    yield from pyproject["project"]["dependencies"]
    for extra in extras:
        for wanted in pyproject["project"]["optional-dependencies"][extra]:
            if wanted.startswith(f"{NAME}["):
                yield from requirements(pyproject, wanted[len(NAME) + 1 : wanted.index("]")].split(","))
            else:
                yield wanted


def install(into: Path, *wanted: str) -> None:
    """Installs wheels into a virtual environment, made if it is not there yet, which gets no pip of its own:
    by the pip that lies among the wheels, else by the base's.
    """
    python = into / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(into)], check=True)
    own = sorted(WHEELS.glob("pip-*.whl"))
    pip = [sys.executable, str(own[0] / "pip")] if own else [sys.executable, "-m", "pip"]
    where = ["--no-index", "--find-links", str(WHEELS)] if own else []
    pinned = ["--only-binary", ":all:", "--constraint", str(WHEELS / "constraints.txt")]
    command = [*pip, "--python", str(python), "install", "--quiet", "--no-compile", *where, *pinned, *wanted]
    subprocess.run(command, check=True)
    # Half of the work: pip would do it on one processor. What is compiled already is left as it is.
    subprocess.run([str(python), "-m", "compileall", "-q", "-j", "0", str(into / "lib")], check=True)


def build_project() -> None:
    """Builds the project's wheel, unpacks it and puts the `continuo` command beside it."""
    subprocess.run([str(TOOLS / "bin" / "python"), "-c", BUILD], check=True)
    for wheel in Path("dist").glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(PROJECT)
    compileall.compile_dir(PROJECT, quiet=1, workers=0)
    command = PROJECT / "bin" / "continuo"
    command.parent.mkdir()
    command.write_text(COMMAND)
    command.chmod(0o755)


def main(given: list[str]) -> None:
    if given == ["--build-tools"]:
        install(TOOLS, "hatchling")
    elif given == ["--project"]:
        build_project()
    else:
        pyproject = tomllib.loads(Path("pyproject.toml").read_text())
        install(VENV, *dict.fromkeys(requirements(pyproject, given)))


if __name__ == "__main__":
    main(sys.argv[1:])
