"""The development Redis as the chart renders it: valid for the oldest and the newest Kubernetes, restricted,
and its names are those that its scripts and the services use.
"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart, HelmRenderError

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "continuo"
SECRETS = {"tokens": {"existingSecret": "tokens"}, "admin": {"existingSecret": "admin"}}


def _objects(values: dict[str, Any] | None = None, namespace: str = "talk") -> dict[str, dict[str, Any]]:
    """Every object of the release, by kind and name."""
    redis: dict[str, Any] = {"development": {"enabled": True, **(values or {})}}
    texts = Chart.load(str(CHART)).render({**SECRETS, "redis": redis}, name="continuo", namespace=namespace)
    found = [
        one
        for path, text in texts.items()
        if path.endswith(".yaml")
        for one in yaml.safe_load_all(text)
        if one
    ]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}


def _redis(values: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {
        name: one for name, one in _objects(values).items() if name.split("/")[1].startswith("continuo-redis")
    }


def _pod(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    pod: dict[str, Any] = objects["StatefulSet/continuo-redis"]["spec"]["template"]["spec"]
    return pod


def _environ(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_object_is_valid(version: str) -> None:
    values = {
        "storageClass": "fast",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
    }
    for objects in (_redis(), _redis(values)):
        assert len(objects) >= 4
        for one in objects.values():
            kubernetes_validate.validate(one, version, strict=True)


def test_pods_are_restricted() -> None:
    pod = _pod(_redis())
    security = pod["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 999)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {"configMap", "emptyDir"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_pods_find_each_other_before_they_are_ready_and_start_at_once() -> None:
    objects = _redis()
    service, group = objects["Service/continuo-redis"]["spec"], objects["StatefulSet/continuo-redis"]["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert (group["serviceName"], group["podManagementPolicy"], group["replicas"]) == (
        "continuo-redis",
        "Parallel",
        3,
    )
    labels = group["template"]["metadata"]["labels"]
    assert group["selector"]["matchLabels"].items() <= labels.items()
    assert service["selector"].items() <= labels.items()
    budget = objects["PodDisruptionBudget/continuo-redis"]["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_the_services_ask_the_very_sentinels_that_the_scripts_announce() -> None:
    objects = _objects()
    environ = _environ(_pod(objects)["containers"][0])
    names = [f"continuo-redis-{pod}.continuo-redis.talk.svc.cluster.local" for pod in (0, 1, 2)]
    assert environ["REDIS_SERVERS"].split(" ") == [f"{name}:6379" for name in names]
    assert environ["REDIS_SENTINELS"].split(" ") == [f"{name}:26379" for name in names]
    presence = objects["Deployment/continuo-presence"]["spec"]["template"]["spec"]["containers"][0]
    asked = _environ(presence)
    assert asked["CONTINUO_REDIS_SENTINELS"].split(",") == environ["REDIS_SENTINELS"].split(" ")
    assert asked["CONTINUO_REDIS_MASTER"] == environ["REDIS_NAME"]
    assert "CONTINUO_REDIS_PASSWORD_FILE" not in asked


def test_the_scripts_in_the_cluster_are_the_tested_ones_and_a_change_restarts_the_pods() -> None:
    objects = _redis()
    kept = {file.name: file.read_text() for file in sorted((CHART / "files").glob("redis-*.sh"))}
    assert objects["ConfigMap/continuo-redis-scripts"]["data"] == kept
    annotations = objects["StatefulSet/continuo-redis"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations.keys() == {"checksum/scripts"}
    commands = [word for container in _pod(objects)["containers"] for word in container["command"]]
    hook = _pod(objects)["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    probes = [
        container[probe]["exec"]["command"][1]
        for container in _pod(objects)["containers"]
        for probe in ("readinessProbe", "livenessProbe")
    ]
    named = {
        word.removeprefix("/scripts/") for word in (*commands, *hook, *probes) if word.startswith("/scripts/")
    }
    assert named <= kept.keys()


def test_the_end_of_a_pod_is_longer_than_its_hand_over_and_its_servers_own_end() -> None:
    pod = _pod(_redis())
    handover_s, shutdown_timeout_s = int(_environ(pod["containers"][0])["REDIS_HANDOVER_S"]), 10
    assert pod["terminationGracePeriodSeconds"] > handover_s + shutdown_timeout_s


def test_no_chart_version_is_in_the_pods_so_that_an_upgrade_of_the_chart_alone_restarts_no_redis() -> None:
    labels = _redis()["StatefulSet/continuo-redis"]["spec"]["template"]["metadata"]["labels"]
    assert not labels.keys() & {"helm.sh/chart", "app.kubernetes.io/version"}


def test_without_it_nothing_of_it_is_rendered() -> None:
    values = {**SECRETS, "redis": {"sentinels": ["s:26379"], "existingSecret": "redis"}}
    texts = Chart.load(str(CHART)).render(values, name="continuo", namespace="talk")
    assert not [path for path, text in texts.items() if "/redis/" in path and text.strip()]


def test_a_password_it_would_not_ask_for_is_refused() -> None:
    values = {**SECRETS, "redis": {"development": {"enabled": True}, "existingSecret": "redis"}}
    with pytest.raises(HelmRenderError, match="asks for no password"):
        Chart.load(str(CHART)).render(values, name="continuo", namespace="talk")
