"""Health: what a process says about itself over HTTP, and the pages that say it.

`/livez`: the process is up and nothing in it crashed. `/readyz`: it may be sent new work; only local facts
count here (started, not ending, not full), so a Redis failover does not make every pod unready at once.
`/health`: every named check with its facts. `/metrics`: Prometheus text, or OpenMetrics for who asks for it,
with exemplars. Checks are plain functions over state at hand: they never wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from services.shared.runtime.logging import get_logger

log = get_logger(__name__)

Fact = str | int | float | bool | None
Check = Callable[[], "Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer: is it well, and the facts behind it."""

    ok: bool
    facts: Mapping[str, Fact]

    @classmethod
    def of(cls, ok: bool, **facts: Fact) -> Finding:
        return cls(ok, facts)


class Health:
    """The named checks of one process. Wired by `app.py`, read by the routes, told by the lifecycle."""

    def __init__(self) -> None:
        self.started = False
        """Set once everything is open."""
        self.draining = False
        """Set when the end begins; never taken back."""
        self.ready_to_the_end = False
        """Set by who still serves while it ends: a pod that is going is taken out of its Service anyway, and
        some networks cut the connections of one that is not ready."""
        self.crash: str | None = None
        """The name of the task that ended by an error."""
        self._told = False
        self._readiness: dict[str, Check] = {}
        self._informative: dict[str, Check] = {}

    def ready_when(self, name: str, check: Check) -> None:
        """A check that new work depends on. Local facts only."""
        self._readiness[name] = check

    def report(self, name: str, check: Check) -> None:
        """A check that is shown in /health and decides nothing."""
        self._informative[name] = check

    @property
    def live(self) -> bool:
        return self.crash is None

    @property
    def ready(self) -> bool:
        up = self.live and self.started and (self.ready_to_the_end or not self.draining)
        return up and all(check().ok for check in self._readiness.values())

    def tell(self) -> None:
        """Log that it became ready, or is so no more, as who asks finds it."""
        if self.ready == self._told:
            return
        self._told = self.ready
        if self._told:
            log.info("ready")
        else:
            because = [name for name, check in self._readiness.items() if not check().ok]
            log.warning("not ready", because=because, draining=self.draining)

    def findings(self) -> dict[str, Finding]:
        """Every check's answer, those of readiness first."""
        return {name: check() for name, check in (self._readiness | self._informative).items()}


def routes(health: Health, registry: CollectorRegistry) -> list[Route]:
    """The four pages."""

    async def livez(_: Request) -> Response:
        return _word(health.live, "alive", f"crashed: {health.crash}")

    async def readyz(_: Request) -> Response:
        ends = health.draining and not health.ready_to_the_end
        health.tell()
        return _word(health.ready, "ready", "draining" if ends else "not ready")

    async def whole(_: Request) -> Response:
        findings = health.findings()
        checks = {name: {"ok": one.ok, **one.facts} for name, one in findings.items()}
        state = {"live": health.live, "ready": health.ready, "draining": health.draining, "checks": checks}
        well = health.live and all(one.ok for one in findings.values())
        return JSONResponse(state, status_code=200 if well else 503)

    async def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": kind})

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/health", whole),
        Route("/metrics", metrics),
    ]


def _word(well: bool, good: str, bad: str) -> Response:
    return PlainTextResponse(good if well else bad, status_code=200 if well else 503)
