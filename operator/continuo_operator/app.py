"""The composition root: opens the client and the pages, takes the lease, starts kopf and the loop."""

from __future__ import annotations

import os
import socket

import aiohttp
import kopf
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from continuo_operator.access import Access, credentials_found
from continuo_operator.admin import AdminClient
from continuo_operator.apply import Applier
from continuo_operator.client import ApiClient, Indexed
from continuo_operator.gather import Gatherer
from continuo_operator.handlers import Sight, registry
from continuo_operator.lease import LeaseGuard
from continuo_operator.loop import Loop
from continuo_operator.settings import OperatorSettings
from continuo_operator.snapshot import Policy
from services.shared.runtime import health, logging
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.lifecycle import Lifecycle
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import SettingsError, load
from services.shared.runtime.side_server import SideServer


async def start(life: Lifecycle) -> None:
    """Open everything in order; raises what keeps the process from starting."""
    settings = load(OperatorSettings, os.environ)
    if not (credentials_found(os.environ)):
        raise SettingsError(
            ["neither a service account nor a kubeconfig was found: there is no cluster to mind"]
        )
    identity = settings.operator_identity or socket.gethostname()
    logging.configure("operator", node=identity, level=settings.logs.log_level, style=settings.logs.log_style)
    clock, metrics, policy = SystemClock(), Metrics(), Policy()
    metrics.process.labels(service="operator").set(1)
    access, sight = Access(), Sight()
    session = await life.open("client", _session(), aiohttp.ClientSession.close)
    api = ApiClient(session, access, namespace=settings.operator_namespace, manager=policy.manager)
    lease = LeaseGuard(
        api, clock, name=settings.operator_lease, identity=identity, duration_s=settings.operator_lease_s
    )
    cluster, admin = Indexed(api, sight.seen), AdminClient(session, settings.admin_token_file)
    loop = Loop(
        cluster,
        Gatherer(cluster, admin, policy, nodes=settings.operator_nodes),
        Applier(cluster, admin, policy, may_act=lambda: lease.held),
        lease,
        policy,
        clock,
        metrics,
        every_s=settings.operator_loop_s,
    )
    life.health.report("loop", loop.finding)
    pages: list[BaseRoute] = [*health.routes(life.health, metrics.registry), healthz(loop)]
    opening = SideServer.open(pages, host=settings.host, port=settings.operator_port, tasks=life.tasks)
    await life.open("health pages", opening, SideServer.close)
    life.closing("lease", lease.release)
    life.work("kopf", _kopf(life, settings, registry(settings, access, sight, loop)))
    life.work("lease", lease.run())
    life.work("loop", loop.run())


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _kopf(life: Lifecycle, settings: OperatorSettings, handlers: kopf.OperatorRegistry) -> None:
    """kopf takes the signals for itself: its end is the process's."""
    try:
        await kopf.operator(
            registry=handlers,
            settings=kopf.OperatorSettings(),
            namespaces=[settings.operator_namespace],
            standalone=True,
        )
    finally:
        life.stop()


def healthz(loop: Loop) -> Route:
    """The page of the liveness probe: 503 while no turn of the loop has ended for a minute."""

    async def page(_: Request) -> Response:
        finding = loop.finding()
        return JSONResponse(dict(finding.facts), status_code=200 if finding.ok else 503)

    return Route("/healthz", page)
