"""Fetches what the images are made of into build/wheels, so that building them needs no network.

Called by `build`, on the machine that builds: pip asks the package index as it does for everything else here,
with this machine's proxies, certificates and mirrors, and none of it gets into an image. The wheels are those
of the base image's Python, machine and C library, not of this one's; each in the version of constraints.txt.
Nothing is resolved: which packages are wanted is read from the wheels themselves, under the base's markers.
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

HOUSE = Path(__file__).parents[2]
PROJECT = "continuo-server"
EXTRAS = ["tracing", "connection", "conversation", "presence", "operator", "tools"]
ASK = """
import json, os, platform, sys
print(json.dumps({"glibc": platform.libc_ver()[1], "python": list(sys.version_info[:2]), "markers": {
    "implementation_name": sys.implementation.name, "implementation_version": platform.python_version(),
    "os_name": os.name, "platform_machine": platform.machine(), "platform_release": "",
    "platform_system": platform.system(), "platform_version": "",
    "python_full_version": platform.python_version(),
    "platform_python_implementation": platform.python_implementation(),
    "python_version": "%d.%d" % sys.version_info[:2], "sys_platform": sys.platform}}))
"""


@dataclass(frozen=True)
class Target:
    """The interpreter that the wheels are for, as it described itself."""

    markers: dict[str, str]
    python: tuple[int, int]
    platforms: list[str]

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Target":
        machine = said["markers"]["platform_machine"]
        newest = int(said["glibc"].split(".")[1])
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)]
        older = [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]
        return cls(said["markers"], (said["python"][0], said["python"][1]), [*platforms, *older])

    def tags(self) -> set[Tag]:
        """What a wheel may be called to be fit."""
        return {
            *cpython_tags(self.python, platforms=self.platforms),
            *compatible_tags(self.python, f"cp{self.python[0]}{self.python[1]}", self.platforms),
        }


def wanted_by(requirement: Requirement, lines: Iterable[str], target: Target) -> Iterator[Requirement]:
    """Those of a package's dependencies that hold on the target, for the extras that were asked for."""
    for line in lines:
        needed = Requirement(line)
        environments = [{**target.markers, "extra": extra} for extra in ("", *requirement.extras)]
        if needed.marker is None or any(needed.marker.evaluate(each) for each in environments):
            yield needed


def declared(pyproject: dict[str, Any], extras: Iterable[str]) -> list[str]:
    """What the project itself and these extras need, as pyproject.toml has it; what these bring along must be
    among them.
    """
    options = pyproject["project"]["optional-dependencies"]
    lines = [*pyproject["project"]["dependencies"], *(line for extra in extras for line in options[extra])]
    return [line for line in lines if not line.startswith(f"{PROJECT}[")]


def pins(constraints: str) -> dict[str, str]:
    """The version of each package, by its canonical name."""
    lines = [line.split("==") for line in constraints.splitlines() if "==" in line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in lines}


class Wheels:
    """The folder, and what is already in it."""

    def __init__(self, folder: Path, target: Target, versions: dict[str, str]) -> None:
        self._folder = folder
        self._target = target
        self._versions = versions
        self.used: set[Path] = set()

    def fetch(self, wanted: list[Requirement]) -> None:
        """Brings these and all they need, level by level."""
        asked: set[tuple[str, frozenset[str]]] = set()
        while wanted:
            self._download([each.name for each in wanted if self._have(each.name) is None])
            fresh = {(canonicalize_name(each.name), frozenset(each.extras)): each for each in wanted}
            new = [each for key, each in fresh.items() if key not in asked]
            asked.update(fresh)
            wanted = [
                needed for each in new for needed in wanted_by(each, self._needs(each.name), self._target)
            ]

    def clear_away(self) -> None:
        """Removes wheels that nothing asked for: of older versions, of another base."""
        for path in set(self._folder.glob("*.whl")) - self.used:
            path.unlink()

    def _have(self, name: str) -> Path | None:
        version, fit = self._version(name), self._target.tags()
        for path in self._folder.glob("*.whl"):
            own, at, _, tags = parse_wheel_filename(path.name)
            if own == canonicalize_name(name) and str(at) == version and not fit.isdisjoint(tags):
                self.used.add(path)
                return path
        return None

    def _needs(self, name: str) -> list[str]:
        path = self._have(name)
        assert path is not None, f"{name} was downloaded and is not there"
        with zipfile.ZipFile(path) as wheel:
            (inside,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
            return HeaderParser().parsestr(wheel.read(inside).decode()).get_all("Requires-Dist", [])

    def _version(self, name: str) -> str:
        try:
            return self._versions[canonicalize_name(name)]
        except KeyError:
            python = self._target.markers["python_version"]
            raise SystemExit(
                f"{name} is needed on Python {python} and has no line in constraints.txt"
            ) from None

    def _download(self, names: list[str]) -> None:
        if not names:
            return
        major, minor = self._target.python
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(self._folder),
        ]
        command += [
            "--only-binary",
            ":all:",
            "--implementation",
            "cp",
            "--python-version",
            f"{major}.{minor}",
        ]
        for abi in (f"cp{major}{minor}", "abi3", "none"):
            command += ["--abi", abi]
        for platform in self._target.platforms:
            command += ["--platform", platform]
        exact = sorted({f"{canonicalize_name(name)}=={self._version(name)}" for name in names})
        print(f"fetching {len(exact)} wheels ...", file=sys.stderr)
        subprocess.run([*command, *exact], check=True)


def described(docker: str, base: str) -> Target:
    """What the base image's Python says of itself."""
    command = [docker, "run", "--rm", "--network", "none", base, "python3", "-c", ASK]
    return Target.of(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="the image that the others are built on")
    parser.add_argument("--also", nargs="*", default=[], help="further packages, pinned ones")
    given = parser.parse_args()
    folder = HOUSE / "build" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    pyproject = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    # Of pip, which a base may lack, the version that fetches.
    versions = pins((HOUSE / "constraints.txt").read_text()) | {"pip": importlib.metadata.version("pip")}
    target = described("docker", given.base)
    wheels = Wheels(folder, target, versions)
    roots = [Requirement(line) for line in [*declared(pyproject, EXTRAS), "pip", "hatchling", *given.also]]
    wheels.fetch([each for each in roots if each.marker is None or each.marker.evaluate(target.markers)])
    wheels.clear_away()


if __name__ == "__main__":
    main()
