"""A Kubernetes API as far as Helm needs one: discovery, and objects that come and go. Runs in a thread.

It begins like a new cluster: a custom object is refused until its CustomResourceDefinition is there. What was
created, applied and deleted is recorded in the order it came. It runs no controllers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

import yaml

KINDS = {
    "v1": ("ConfigMap", "PersistentVolumeClaim", "Pod", "Secret", "Service", "ServiceAccount"),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("CronJob", "Job"),
    "gateway.networking.k8s.io/v1": ("HTTPRoute",),
    "keda.sh/v1alpha1": ("ScaledObject",),
    "monitoring.coreos.com/v1": ("PodMonitor",),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
}
"""Of Kubernetes, and of the Gateway API, KEDA and the Prometheus operator, which were there before."""
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


@dataclass
class Api:
    """The state behind the server, for tests to read."""

    url: str = ""
    kinds: dict[str, dict[str, str]] = field(default_factory=lambda: {at: _plurals(at) for at in KINDS})
    """Group and version to kind to plural."""
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    """(create | apply | delete, kind, name)."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def kubeconfig(self) -> str:
        return (
            "{apiVersion: v1, kind: Config, current-context: it, "
            "contexts: [{name: it, context: {cluster: it, user: it, namespace: talk}}], "
            f"clusters: [{{name: it, cluster: {{server: '{self.url}'}}}}], "
            "users: [{name: it, user: {}}]}"
        )

    def order(self, how: str = "apply") -> list[str]:
        """The kinds of what was first changed so, without Helm's own records."""
        seen: dict[tuple[str, str], None] = {}
        for change, kind, name in self.changes:
            if change == how and not name.startswith("sh.helm."):
                seen.setdefault((kind, name))
        return [kind for kind, _ in seen]

    def keep(self, change: str, group_version: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body["metadata"]["name"]
        self.changes.append((change, kind, name))
        body["metadata"] |= {
            "uid": f"{kind}-{name}",
            "resourceVersion": str(len(self.changes)),
            "generation": 1,
        }
        self.objects[kind, name] = body
        if kind == "CustomResourceDefinition":
            self._learn(body)
        return body

    def _learn(self, crd: dict[str, Any]) -> None:
        spec, yes = crd["spec"], {"status": "True", "reason": "", "message": ""}
        for version in spec["versions"]:
            kinds = self.kinds.setdefault(f"{spec['group']}/{version['name']}", {})
            kinds[spec["names"]["kind"]] = spec["names"]["plural"]
        crd["status"] = {"conditions": [{"type": "Established"} | yes, {"type": "NamesAccepted"} | yes]}


@contextmanager
def helm_api() -> Iterator[Api]:
    """Serve one on loopback."""
    api = Api()
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield api
        finally:
            server.shutdown()
            serving.join()


class _Handler(BaseHTTPRequestHandler):
    api: ClassVar[Api]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        pages = {
            "/version": lambda: {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
            "/api": lambda: {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": self._groups,
            "/openapi/v3": self._openapi,
        }
        path = urlsplit(self.path).path
        if path in pages:
            self._answer(200, pages[path]())
        elif path.startswith("/openapi/v3/"):
            self._answer(
                200, self._openapi_of(path.removeprefix("/openapi/v3/apis/").removeprefix("/openapi/v3/api/"))
            )
        else:
            self._object(b"")

    def do_POST(self) -> None:
        self._object(self._body())

    do_PATCH = do_PUT = do_DELETE = do_POST  # noqa: N815 - names of the standard library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the standard library has it
        """Nothing: pytest shows what failed."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _object(self, body: bytes) -> None:
        first, *parts = urlsplit(self.path).path.strip("/").split("/")
        group_version, rest = (parts[0], parts[1:]) if first == "api" else ("/".join(parts[:2]), parts[2:])
        kinds = self.api.kinds.get(group_version)
        if kinds is None:
            self._refuse(404, "NotFound")
        elif not rest:
            self._answer(200, _resources(group_version, kinds))
        else:
            plural, *names = rest[2:] if rest[0] == "namespaces" else rest
            kind = next(kind for kind, known in kinds.items() if known == plural)
            with self.api.lock:
                self._change(group_version, kind, names[0] if names else "", body)

    def _change(self, group_version: str, kind: str, name: str, body: bytes) -> None:
        known = (kind, name) in self.api.objects
        match self.command:
            case "GET" if not name:
                items = [one for (of, _), one in self.api.objects.items() if of == kind]
                about = {
                    "kind": f"{kind}List",
                    "apiVersion": group_version,
                    "metadata": {"resourceVersion": "1"},
                }
                self._answer(200, about | {"items": items})
            case "GET" if known:
                self._answer(200, self.api.objects[kind, name])
            case "POST":
                self._answer(201, self.api.keep("create", group_version, kind, json.loads(body)))
            case "PATCH" | "PUT":
                self._answer(200, self.api.keep("apply", group_version, kind, yaml.safe_load(body)))
            case "DELETE" if known:
                self.api.changes.append(("delete", kind, name))
                self._answer(200, self.api.objects.pop((kind, name)))
            case _:
                self._refuse(404, "NotFound")

    def _groups(self) -> dict[str, Any]:
        groups = []
        for group, version in (gv.split("/") for gv in self.api.kinds if "/" in gv):
            at = {"groupVersion": f"{group}/{version}", "version": version}
            groups.append({"name": group, "versions": [at], "preferredVersion": at})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _openapi(self) -> dict[str, Any]:
        urls = {gv: f"/openapi/v3/{'apis' if '/' in gv else 'api'}/{gv}" for gv in self.api.kinds}
        return {
            "paths": {url.removeprefix("/openapi/v3/"): {"serverRelativeURL": url} for url in urls.values()}
        }

    def _openapi_of(self, group_version: str) -> dict[str, Any]:
        """Says only that this server checks fields itself, which is what Helm looks for."""
        group, _, version = group_version.rpartition("/")
        paths = {}
        for kind, plural in self.api.kinds[group_version].items():
            root = f"/apis/{group_version}" if group else f"/api/{version}"
            inside = "" if kind in CLUSTER_WIDE else "/namespaces/{namespace}"
            paths[f"{root}{inside}/{plural}/{{name}}"] = {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                }
            }
        return {"openapi": "3.0.0", "info": {"title": "it", "version": "1"}, "paths": paths}

    def _refuse(self, code: int, reason: str) -> None:
        about = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
        self._answer(code, about | {"message": f"{self.command} {self.path}: {reason}"})

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _plurals(group_version: str) -> dict[str, str]:
    def plural(kind: str) -> str:
        word = kind.lower()
        if word.endswith("y"):
            return word[:-1] + "ies"
        return word + ("es" if word.endswith("ss") else "s")

    return {kind: plural(kind) for kind in KINDS[group_version]}


def _resources(group_version: str, kinds: dict[str, str]) -> dict[str, Any]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    resources = [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": kind not in CLUSTER_WIDE,
            "kind": kind,
            "verbs": verbs,
        }
        for kind, plural in kinds.items()
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }
