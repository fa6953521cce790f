"""Every pod that can come to be, in every combination: restricted, bounded, probed, few rights."""

from __future__ import annotations

from copy import deepcopy

import pytest

from continuo_operator.labels import CONTAINER
from tests.support.chart import DEVELOPMENT, PRODUCTION, Object, Rendered, containers, merged, render
from tests.support.chart_values import COMBINATIONS

SERVICES = ("connection", "conversation", "presence", "operator")
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Of the restricted pod security standard."""


@pytest.fixture(scope="module", params=COMBINATIONS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(COMBINATIONS[request.param])


def breaks_of(spec: Object) -> list[str]:
    """What the restricted standard, v1.37, forbids in this pod."""
    pod = spec.get("securityContext", {})
    breaks = [one for one in ("hostNetwork", "hostPID", "hostIPC") if spec.get(one)]
    breaks += [
        f"volume {one['name']}"
        for one in spec.get("volumes", [])
        if not (set(one) - {"name"}) <= ALLOWED_VOLUMES
    ]
    breaks += ["unconfined"] if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault" else []
    for one in containers(spec):
        own = one.get("securityContext", {})
        merits = {
            "no new privileges": own.get("allowPrivilegeEscalation") is False,
            "not privileged": not own.get("privileged"),
            "not root": own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True
            and own.get("runAsUser", pod.get("runAsUser")) != 0,
            "no capabilities": own.get("capabilities", {}).get("drop") == ["ALL"]
            and set(own["capabilities"].get("add", ())) <= {"NET_BIND_SERVICE"},
            "no host ports": not any(port.get("hostPort") for port in one.get("ports", [])),
        }
        breaks += [f"{one['name']}: {merit}" for merit, has in merits.items() if not has]
    return breaks


def test_every_pod_keeps_to_the_restricted_standard(rendered: Rendered) -> None:
    assert {name: breaks_of(spec) for name, _, spec in rendered.pods() if breaks_of(spec)} == {}


def test_the_judge_of_pods_sees_a_break() -> None:
    spec = deepcopy(next(spec for _, _, spec in render(PRODUCTION).pods()))
    assert breaks_of(spec) == []
    spec["containers"][0]["securityContext"]["capabilities"]["drop"] = []
    spec["volumes"].append({"name": "disk", "hostPath": {"path": "/"}})
    assert breaks_of(spec) == ["volume disk", "connection: no capabilities"]


def test_every_container_is_bounded_and_writes_only_to_volumes(rendered: Rendered) -> None:
    for name, _, spec in rendered.pods():
        for one in containers(spec):
            assert one["resources"]["limits"]["memory"], name
            assert one["resources"]["requests"]["cpu"], name
            assert one["securityContext"]["readOnlyRootFilesystem"] is not _is_synced(one), name


def _is_synced(container: Object) -> bool:
    return "services.local.devsupervisor" in container.get("command", [])


def test_only_the_operator_carries_a_token_of_the_cluster(rendered: Rendered) -> None:
    for name, _, spec in rendered.pods():
        assert spec["automountServiceAccountToken"] is name.endswith("-operator"), name
        assert spec["serviceAccountName"] != "default"
    accounts = rendered.of("ServiceAccount")
    assert {one["automountServiceAccountToken"] for one in accounts} == {False}
    assert {spec["serviceAccountName"] for _, _, spec in rendered.pods()} <= {
        one["metadata"]["name"] for one in accounts
    }


def test_every_service_has_three_probes_of_its_own_pages(rendered: Rendered) -> None:
    for name, _, spec in rendered.pods():
        [own, *_] = spec["containers"]
        if own["name"] not in SERVICES or _is_synced(own):
            continue
        asked = {one: own[f"{one}Probe"]["httpGet"] for one in ("startup", "readiness", "liveness")}
        assert {one["port"] for one in asked.values()} == {"pages"}, name
        assert asked["readiness"]["path"] == "/readyz"
        assert asked["startup"]["path"] == "/livez"
        assert asked["liveness"]["path"] == ("/healthz" if own["name"] == "operator" else "/livez")
        start, live = own["startupProbe"], own["livenessProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] == 60
        assert start["periodSeconds"] < live["periodSeconds"]


def test_the_operator_knows_the_container_of_the_connections_by_its_name(rendered: Rendered) -> None:
    """And no other pod has one of that name: a sidecar's life says nothing of who is connected."""
    named = {
        name: [one["name"] for one in spec["containers"]].count(CONTAINER)
        for name, _, spec in rendered.pods()
    }
    assert named == {name: int(name.endswith("-connection")) for name in named}


def test_every_port_is_named_once_and_where_the_contract_has_it(rendered: Rendered) -> None:
    where = {"client": 8000, "pages": 8080, "admin": 8081, "api": 8090}
    for name, _, spec in rendered.pods():
        [own, *_] = spec["containers"]
        if own["name"] in SERVICES:
            ports = {port["name"]: port["containerPort"] for port in own.get("ports", [])}
            assert ports.items() <= where.items(), name
            assert ("client" in ports) is (own["name"] == "connection")


def test_secrets_are_mounted_as_files_and_never_stand_in_the_environment(rendered: Rendered) -> None:
    for name, _, spec in rendered.pods():
        for one in containers(spec):
            for variable in one.get("env", []):
                named = variable["name"]
                wanted = named == "PROBE_TOKEN"
                assert ("secretKeyRef" in variable.get("valueFrom", {})) is wanted, f"{name} {named}"
                assert not any(word in named for word in ("PASSWORD", "SECRET", "TOKEN")) or (
                    named.endswith(("_FILE", "_URL", "_AUDIENCE", "_ISSUER")) or wanted
                ), f"{name} {named}"


def test_files_that_are_named_are_mounted(rendered: Rendered) -> None:
    for name, _, spec in rendered.pods():
        for one in containers(spec):
            mounted = {mount["mountPath"] for mount in one.get("volumeMounts", [])}
            for variable in one.get("env", []):
                if variable["name"].endswith("_FILE"):
                    assert variable["value"].rsplit("/", 1)[0] in mounted, f"{name} {variable['name']}"
            volumes = {volume["name"] for volume in spec["volumes"]}
            if name.endswith("-redis"):
                volumes.add("data")  # from the claim template
            assert {mount["name"] for mount in one.get("volumeMounts", [])} <= volumes, name


def test_pods_spread_softly_over_zones_and_machines() -> None:
    pods = {name: (metadata, spec) for name, metadata, spec in render(PRODUCTION).pods()}
    for service in SERVICES:
        metadata, spec = pods[f"Deployment continuo-{service}"]
        spread = spec["topologySpreadConstraints"]
        assert [one["topologyKey"] for one in spread] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for one in spread:
            assert one["whenUnsatisfiable"] == "ScheduleAnyway", service
            assert one["matchLabelKeys"] == ["pod-template-hash"], service
            assert one["labelSelector"]["matchLabels"].items() <= metadata["labels"].items()


def test_source_that_is_synced_is_only_written_in_the_services() -> None:
    values = merged(DEVELOPMENT, {"development": {"supervisor": True}})
    synced = {
        name for name, _, spec in render(values).pods() for one in spec["containers"] if _is_synced(one)
    }
    assert synced == {f"Deployment continuo-{one}" for one in ("connection", "conversation", "presence")}


def test_no_probe_ends_a_container_that_source_is_synced_into() -> None:
    """With the container what was synced would go: a slip in it would bring the image's own source back."""
    values = merged(DEVELOPMENT, {"development": {"supervisor": True}})
    seen = 0
    for name, _, spec in render(values).pods():
        for one in spec["containers"]:
            if _is_synced(one):
                seen += 1
                probes = {word for word in one if word.endswith("Probe")}
                assert probes == {"readinessProbe"}, name
    assert seen == 3


def test_labels_of_pods_do_not_change_with_the_charts_version() -> None:
    """Else every release of the chart alone would replace all pods."""
    for name, metadata, _ in render(PRODUCTION).pods():
        if name.startswith("Deployment"):
            assert set(metadata["labels"]) <= {
                "app.kubernetes.io/name",
                "app.kubernetes.io/instance",
                "app.kubernetes.io/component",
                "continuo.dev/accepts",
            }
