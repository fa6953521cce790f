"""A Prometheus beside `continuo up --observe`: it scrapes every service as one release and judges the rules.

Called by `continuo up`. The program is the machine's own, else the one that `.ci/prometheus` unpacked; none
is ever installed from here. It listens on loopback only, and keeps two days or 256 MB in the folder.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import services
from services.local.ending import LocalError, alongside
from services.local.home import Home
from services.local.probe import status_of
from services.local.processes import Child
from services.local.servers import LOOPBACK, free_ports, port_is_free
from services.local.supervisor import Say, Service

USUAL_PORT = 9090
JOB = "continuo"
"""One job is one release: rules and dashboards sum by it."""
SCRAPE_EVERY = "5s"
EXEMPLARS = "--enable-feature=exemplar-storage"
"""The traces that histograms name: `continuo trace` takes their ids."""
KEPT = ("--storage.tsdb.retention.time=2d", "--storage.tsdb.retention.size=256MB")
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.2
_HOUSE = Path(services.__path__[0]).parent
RULES = _HOUSE / "charts/continuo/files/rules.yaml"
OPERATOR = "continuo.operator"
"""The group of rules that would tell of the operator's absence: there is none on one machine."""
_GROUP = "\n- name: "
UNPACKED = Path("prometheus/usr/bin/prometheus")
"""Where `.ci/prometheus` puts it, in `.continuo`."""
PAGES = "share/prometheus/web"


class NotInstalledError(LocalError):
    """There is no Prometheus on this machine; the message says how to get one."""


def program(home: Home) -> Path:
    """The Prometheus to run. Raises NotInstalledError."""
    if found := shutil.which("prometheus"):
        return Path(found)
    for folder in (home.folder, _HOUSE / ".continuo"):
        if (folder / UNPACKED).exists():
            return folder / UNPACKED
    raise NotInstalledError(
        "--observe needs Prometheus, which is not installed: `apt-get install prometheus`, or, without root, "
        "`.ci/prometheus` in the project's folder unpacks Debian's package; without --observe all else starts"
    )


def configuration(scraped: Sequence[Service], rules: Path | None) -> str:
    """What it reads, as JSON, which is YAML too: these processes by name, and the rules where they are."""
    targets = [
        {"targets": [f"{LOOPBACK}:{service.port}"], "labels": {"process": service.name}}
        for service in scraped
    ]
    told = {
        "global": {"scrape_interval": SCRAPE_EVERY, "evaluation_interval": SCRAPE_EVERY},
        "rule_files": [str(rules)] if rules else [],
        "scrape_configs": [{"job_name": JOB, "static_configs": targets}],
    }
    return json.dumps(told, indent=1)


def rules_of(text: str) -> str:
    """The rules that make sense here. The file is made by ourselves: each group begins with its name."""
    head, *groups = text.rstrip().split(_GROUP)
    return _GROUP.join([head, *(group for group in groups if not group.startswith(f"{OPERATOR}\n"))]) + "\n"


@asynccontextmanager
async def observing(binary: Path, home: Home, scraped: Sequence[Service], say: Say) -> AsyncIterator[str]:
    """Where its pages are, in a sentence, once it is ready; it ends with the block. Raises LocalError when it
    does not start.
    """
    port = USUAL_PORT if port_is_free(USUAL_PORT) else free_ports(1)[0]
    told, rules = home.observed / "prometheus.yml", home.observed / "rules.yaml"
    if RULES.exists():
        rules.write_text(rules_of(RULES.read_text("utf-8")), "utf-8")
    told.write_text(configuration(scraped, rules if RULES.exists() else None))
    child = Child("prometheus", _typed(binary, told, port), home.logs / "prometheus.log")
    child.start()
    try:
        await _ready(child, port)
        async with alongside(_told_if_it_ends(child, say)):
            yield await _whereabouts(port)
    finally:
        await asyncio.shield(child.end(STOP_WITHIN_S))


def _typed(binary: Path, told: Path, port: int) -> list[str]:
    data, listens = told.with_name("data"), f"{LOOPBACK}:{port}"
    where = (f"--config.file={told}", f"--storage.tsdb.path={data}", f"--web.listen-address={listens}")
    return [str(binary), *where, *KEPT, EXEMPLARS, *pages_of(binary)]


def pages_of(binary: Path) -> list[str]:
    """Debian's has its pages in a folder that it looks for where it would have been installed. No other
    knows the word.
    """
    return [f"--web.local-assets={binary.parents[1] / PAGES}"] if binary.match(str(UNPACKED)) else []


async def _whereabouts(port: int) -> str:
    """Debian's has the alerts at another place than everybody's."""
    address = f"http://{LOOPBACK}:{port}"
    alerts = "alerts" if await status_of(port, "/alerts") == 200 else "classic/alerts"
    return f"Prometheus is at {address}, its alerts at {address}/{alerts}"


async def _ready(child: Child, port: int) -> None:
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while await status_of(port, "/-/ready") != 200:
        if not child.alive:
            raise LocalError(f"prometheus ended with {child.exit_code}: {child.last_words()}")
        if asyncio.get_running_loop().time() > deadline:
            raise LocalError(f"prometheus was not ready within {READY_WITHIN_S:.0f} s; its log: {child.log}")
        await asyncio.sleep(_LOOK_EVERY_S)


async def _told_if_it_ends(child: Child, say: Say) -> None:
    """What nobody's message depends on is not started again."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        if not child.alive:
            break
    say(f"prometheus ended with {child.exit_code}: {child.last_words()}; all else goes on")
