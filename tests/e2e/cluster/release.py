"""One release of the chart on a real cluster, by the Helm SDK, with the values for trying things out."""

import os
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart, Config

ROOT = Path(__file__).parents[3]
NAME = "continuo"
WITHIN_S = 900


def missing() -> str | None:
    """What is not named that these tests need; None: all is there."""
    for variable in ("KUBECONFIG", "CONTINUO_E2E_IMAGES"):
        if not os.environ.get(variable):
            return f"a real cluster: set {variable} (tests/e2e/cluster/README.md)"
    return None


def values(more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Values of one release; more: what is laid over them."""
    chosen = yaml.safe_load((ROOT / "k8s" / "values-dev.yaml").read_text(encoding="utf-8"))
    if extra := os.environ.get("CONTINUO_E2E_VALUES"):
        chosen = _over(chosen, yaml.safe_load(Path(extra).read_text(encoding="utf-8")))
    prefix, _, tag = os.environ["CONTINUO_E2E_IMAGES"].rpartition(":")
    return _over(_over(chosen, {"images": {"prefix": prefix, "tag": tag}}), more or {})


def secret() -> str:
    """What signs tokens in these values."""
    return str(values()["development"]["hmac"])


class Release:
    """Install it, test it, upgrade it, take it away; each raises helm_python.HelmError.

    more: values that it has in all its revisions. Whatever Helm owns is changed by them alone: it refuses to
    apply over a field that another wrote.
    """

    def __init__(self, namespace: str, more: dict[str, Any] | None = None) -> None:
        self._namespace = namespace
        self._more = more or {}
        self._helm = Config(kubeconfig_path=os.environ["KUBECONFIG"], namespace=namespace)
        self._chart = Chart.load(str(ROOT / "charts" / "continuo"))

    def install(self) -> None:
        self._helm.install(
            self._chart,
            NAME,
            values(self._more),
            namespace=self._namespace,
            wait="watcher",
            timeout=WITHIN_S,
        )

    def test(self) -> None:
        self._helm.test(NAME, timeout=WITHIN_S, logs=True)

    def upgrade(self, **connection: Any) -> None:
        """connection: what else the connection pods are given."""
        self._helm.upgrade(
            self._chart,
            NAME,
            values(_over(self._more, {"connection": connection})),
            namespace=self._namespace,
            wait="watcher",
            timeout=WITHIN_S,
        )

    def uninstall(self) -> None:
        self._helm.uninstall(NAME, wait="watcher", timeout=WITHIN_S)


def _over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _over(result[key], value) if nested else value
    return result
