"""What kopf does for us: it logs in, watches, and keeps indexes. Nothing here decides or writes.

No timers, daemons, change or delete handlers: these would put a finalizer on each ConnectionFleet, and an
operator that is gone could then keep a namespace from being deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kopf

from continuo_operator.access import Access
from continuo_operator.loop import Loop
from continuo_operator.ports import Kind, Object
from continuo_operator.settings import OperatorSettings

KEPT_META = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "labels",
    "annotations",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
KEPT_SPEC = ("nodeName", "unschedulable", "taints")
KEPT_STATUS = ("phase", "podIP", "conditions", "containerStatuses")
WATCHED = (Kind.FLEETS, Kind.DEPLOYMENTS, Kind.REPLICASETS, Kind.PODS)


class Sight:
    """What the watches have shown, by kind; filled by kopf."""

    def __init__(self) -> None:
        self._indexes: Mapping[str, Any] = {}

    def open(self, indexes: Mapping[str, Any]) -> None:
        self._indexes = indexes

    def seen(self, kind: Kind) -> Sequence[Object] | None:
        """All objects of a watched kind, slimmed; None for a kind that is not watched."""
        index = self._indexes.get(kind.plural)
        return None if index is None else [one for name in list(index) for one in index[name]]


def registry(settings: OperatorSettings, access: Access, sight: Sight, loop: Loop) -> kopf.OperatorRegistry:
    """All handlers, on a registry of their own."""
    handlers = kopf.OperatorRegistry()
    kinds = [*WATCHED, *([Kind.NODES] if settings.operator_nodes else [])]
    _login(handlers, access)
    _startup(handlers, settings, sight, kinds)
    for kind in kinds:
        _watch(handlers, kind, loop)
    return handlers


def _login(handlers: kopf.OperatorRegistry, access: Access) -> None:
    @kopf.on.login(registry=handlers, id="login")
    def login(**kwargs: Any) -> kopf.ConnectionInfo:
        account = kopf.login_with_service_account(**kwargs)
        info = account or kopf.login_with_kubeconfig(**kwargs)
        if info is None:
            raise kopf.PermanentError("neither a service account nor a kubeconfig was found")
        access.take(info, from_account=account is not None)
        return info


def _startup(
    handlers: kopf.OperatorRegistry, settings: OperatorSettings, sight: Sight, kinds: list[Kind]
) -> None:
    @kopf.on.startup(registry=handlers, id="startup")
    def startup(**kwargs: Any) -> None:
        framework: kopf.OperatorSettings = kwargs["settings"]
        configure(framework, settings)
        sight.open({kind.plural: kwargs[kind.plural] for kind in kinds})


def _watch(handlers: kopf.OperatorRegistry, kind: Kind, loop: Loop) -> None:
    @kopf.index(*kind.value, registry=handlers, id=kind.plural)
    def index(body: kopf.Body, name: str, **_: Any) -> dict[str, Object]:
        return {name: slim(body)}

    # kopf lets no handler run before every index is filled: the first event means that all is seen.
    @kopf.on.event(*kind.value, registry=handlers, id=f"wake-{kind.plural}")
    async def changed(**_: Any) -> None:
        loop.seen.set()
        loop.wake.set()


def configure(framework: kopf.OperatorSettings, settings: OperatorSettings) -> None:
    """kopf as this operator needs it: one namespace, few objects, no writes of its own."""
    framework.scanning.disabled = True
    framework.peering.standalone = True
    framework.posting.enabled = False
    framework.networking.request_timeout = 30
    framework.watching.server_timeout = 300
    framework.watching.client_timeout = 310
    framework.process.ultimate_exiting_timeout = 20
    # Fleets too: another release's in the same namespace are another operator's.
    for kind in WATCHED:
        framework.watching.label_selectors[kind.plural] = settings.operator_selector


def slim(body: Mapping[str, Any]) -> Object:
    """Only what the snapshot reads: whole bodies of many pods would fill the memory."""
    return {
        "metadata": _kept(body.get("metadata"), KEPT_META),
        "spec": _kept(body.get("spec"), KEPT_SPEC),
        "status": _kept(body.get("status"), KEPT_STATUS),
    }


def _kept(part: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(part[name]) for name in names if part and name in part}


def _plain(value: Any) -> Any:
    """A copy that shares nothing with kopf's own objects."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
