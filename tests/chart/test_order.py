"""What Helm itself applies, and in which order, to an API server that does not know the fleet's kind yet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helm_python import Config, HelmError

from tests.support.chart import CHART, DEVELOPMENT, INSTALLS, PRODUCTION, WITHOUT_OPERATOR
from tests.support.helm_api import Api, helm_api


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with helm_api() as served:
        yield served


def helm(api: Api) -> Config:
    return Config(
        kubeconfig_content=api.kubeconfig(),
        namespace="talk",
        storage_driver="memory",
        qps=1000,
        burst_limit=1000,
    )


def install(config: Config, values: dict[str, Any], chart: Path = CHART) -> None:
    config.install(str(chart), "continuo", values, namespace="talk", timeout=30)


def upgrade(config: Config, values: dict[str, Any], chart: Path = CHART) -> None:
    config.upgrade(str(chart), "continuo", values, namespace="talk", timeout=30)


def test_the_fleets_kind_comes_first_and_fleets_last(api: Api) -> None:
    with helm(api) as config:
        install(config, DEVELOPMENT)
    order = api.order()
    assert order[0] == "CustomResourceDefinition"
    assert order[-1] == "ConnectionFleet"
    for before, after in (
        ("NetworkPolicy", "Deployment"),
        ("ServiceAccount", "Deployment"),
        ("Secret", "Deployment"),
        ("RoleBinding", "Deployment"),
    ):
        assert max(n for n, kind in enumerate(order) if kind == before) < order.index(after)


def test_without_the_kind_nothing_is_applied_at_all(api: Api, tmp_path: Path) -> None:
    """As with --skip-crds, or an upgrade of a release that never had the CRD."""
    bare = shutil.copytree(CHART, tmp_path / "continuo", ignore=shutil.ignore_patterns("crds"))
    with helm(api) as config:
        with pytest.raises(HelmError, match="could not find the requested resource"):
            install(config, PRODUCTION, bare)
        assert api.order() == []


@pytest.mark.slow
def test_the_kind_is_there_also_when_the_operator_is_switched_on_later(api: Api) -> None:
    with helm(api) as config:
        install(config, WITHOUT_OPERATOR)
        assert "ConnectionFleet" not in api.order()
        upgrade(config, PRODUCTION)
        assert api.order()[-1] == "ConnectionFleet"


@pytest.mark.slow
def test_no_upgrade_says_how_many_connection_pods_there_are(api: Api) -> None:
    with helm(api) as config:
        install(config, PRODUCTION)
        upgrade(config, {**PRODUCTION, "images": {"tag": "2"}})
    deployment = api.objects["Deployment", "continuo-connection"]
    assert "replicas" not in deployment["spec"]
    assert "replicas" not in api.objects["ConnectionFleet", "continuo"]["spec"]


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTALLS)
def test_uninstalling_takes_all_away_but_the_kind(api: Api, name: str) -> None:
    with helm(api) as config:
        install(config, INSTALLS[name])
        config.uninstall("continuo")
    assert set(api.objects) == {("CustomResourceDefinition", "connectionfleets.continuo.dev")}


@pytest.mark.slow
def test_backups_outlive_the_release(api: Api) -> None:
    with helm(api) as config:
        install(config, {**PRODUCTION, "backup": {"enabled": True}})
        config.uninstall("continuo")
    assert ("PersistentVolumeClaim", "continuo-backup") in api.objects
