"""What the chart gives its containers, as Docker is told it: environment, bounds, secrets as files, grace.

Used by tests/images. Nothing of it is written down here a second time: Helm's engine renders it.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from services.local import apikey
from tests.support.chart import PRODUCTION, merged, render

SENTINELS = [f"sentinel-{number}:26379" for number in range(3)]
VALUES: dict[str, Any] = merged(
    PRODUCTION,
    {
        "images": {"prefix": ""},
        "redis": {"sentinels": SENTINELS},
        "drain": {
            "capacityPerPod": 60,
            "podRatePerSecond": 10,
            "fleetRatePerSecond": 20,
            "propagationSeconds": 1,
        },
        "operator": {"scaling": {"min": 1, "max": 2, "targetConnectionsPerPod": 30}},
        "conversation": {"settings": {"TOKEN_MS": 20}},
        "backup": {"enabled": True},
    },
)
"""The production install with a small fleet: a drain takes six seconds."""
API_KEY, API_LINE = apikey.made("billing")
SECRETS = {
    "continuo-tokens": {"hmac": secrets.token_hex(32)},
    "continuo-admin": {"tokens": secrets.token_hex(16)},
    "continuo-api": {"keys": f"{API_LINE}\n"},
    "continuo-redis": {"password": secrets.token_hex(16), "sentinel-password": secrets.token_hex(16)},
}
HMAC = SECRETS["continuo-tokens"]["hmac"]


@dataclass(frozen=True)
class Charted:
    """One container of the chart. `folder` is where its Secrets become files."""

    pod: dict[str, Any]
    folder: Path

    @property
    def container(self) -> dict[str, Any]:
        found: dict[str, Any] = self.pod["containers"][0]
        return found

    @property
    def image(self) -> str:
        return str(self.container["image"])

    @property
    def environ(self) -> dict[str, str]:
        return {each["name"]: str(each["value"]) for each in self.container.get("env", []) if "value" in each}

    @property
    def grace_s(self) -> int:
        """Seconds from SIGTERM to SIGKILL."""
        return int(self.pod["terminationGracePeriodSeconds"])

    @cached_property
    def options(self) -> list[str]:
        """Bounds and mounts, for `docker run`."""
        memory = _size(self.container["resources"]["limits"]["memory"])
        return ["--memory", memory, "--memory-swap", memory, *self._mounts()]

    def _mounts(self) -> Iterator[str]:
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        for mount in self.container["volumeMounts"]:
            volume, path = volumes[mount["name"]], mount["mountPath"]
            if "emptyDir" in volume:
                yield from ("--tmpfs", f"{path}:size={_size(volume['emptyDir']['sizeLimit'])},mode=1777")
            elif "projected" in volume:
                yield from ("--volume", f"{self._files(volume)}:{path}:ro")
            else:
                yield from ("--volume", f"{self._kept(mount['name'])}:{path}")

    def _files(self, volume: dict[str, Any]) -> Path:
        """The keys of Secrets as the kubelet would write them: those that are not there must be optional."""
        folder = self._kept(f"{self.container['name']}-{volume['name']}")
        for source in volume["projected"]["sources"]:
            secret = source["secret"]
            for item in secret["items"]:
                value = SECRETS[secret["name"]].get(item["key"])
                assert value is not None or secret.get("optional"), item
                if value is not None:
                    (folder / item["path"]).write_text(value)
                    (folder / item["path"]).chmod(0o444)
        return folder

    def _kept(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        return folder


def service(component: str, folder: Path, more: dict[str, Any] | None = None) -> Charted:
    """The container of connection, conversation, presence or operator; more: values over `VALUES`."""
    deployment = render(merged(VALUES, more or {})).one("Deployment", f"continuo-{component}")
    return Charted(deployment["spec"]["template"]["spec"], folder)


def tools(folder: Path) -> Charted:
    """The container of the backups, from which `continuo doctor` and `continuo restored` are run too."""
    job = render(VALUES).one("CronJob", "continuo-backup")["spec"]["jobTemplate"]
    return Charted(job["spec"]["template"]["spec"], folder)


def _size(quantity: str) -> str:
    """A quantity of Kubernetes as Docker writes it."""
    assert quantity.endswith(("Mi", "Gi")), quantity
    return quantity.removesuffix("i").lower()
