"""Makes a base image's file system ours while an image is built: called by the Dockerfile.

Adds the user that everything runs as (10001). With `--strip` it takes away what a service does not need and
an intruder would like: shells, every program but the interpreter, package managers and their data. What is
left are shared libraries, Python, certificates, time zones, and the list of packages for scanners.
Runs in the base image with nothing but the standard library.
"""

import shutil
import sys
from pathlib import Path

USER = 10001
PROGRAMS = [
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
    "usr/local/bin",
    "usr/local/sbin",
    "usr/games",
    "usr/libexec",
]
PROGRAM_KEPT = "python3"
SHARED_KEPT = {"ca-certificates", "zoneinfo", "doc"}
NOT_NEEDED = [
    "usr/lib/apt",
    "usr/lib/dpkg",
    "usr/lib/init",
    "usr/lib/systemd",
    "usr/lib/udev",
    "usr/lib/*/perl*",
    "usr/lib/python3*/ensurepip",
    "usr/local/lib/python3*/ensurepip",
    "usr/local/lib/python3*/site-packages/*",
    "usr/local/include",
    "usr/include",
    "usr/src",
    "etc/apt",
    "etc/dpkg",
    "etc/cron*",
    "etc/systemd",
    "var/cache/*",
    "var/lib/apt",
    "var/lib/dpkg/info",
    "var/lib/dpkg/alternatives",
    "var/log/*",
    "root/*",
    "root/.*",
]


def add_user(root: Path) -> None:
    """Writes the user and its group down, so that programs that ask who they are get an answer."""
    for name, line in (
        ("passwd", f"continuo:x:{USER}:{USER}::/app:/usr/sbin/nologin\n"),
        ("group", f"continuo:x:{USER}:\n"),
    ):
        with (root / "etc" / name).open("a") as file:
            file.write(line)


def strip(root: Path) -> None:
    """Takes away every program but the interpreter, and what belongs to those taken away."""
    for folder in PROGRAMS:
        if (root / folder).is_dir() and not (root / folder).is_symlink():
            for program in (root / folder).iterdir():
                if not program.name.startswith(PROGRAM_KEPT):
                    remove(program)
    for shared in (root / "usr/share").iterdir():
        if shared.name not in SHARED_KEPT:
            remove(shared)
    for pattern in NOT_NEEDED:
        for found in root.glob(pattern):
            remove(found)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    add_user(Path("/"))
    if "--strip" in sys.argv:
        strip(Path("/"))
    Path(__file__).unlink()
