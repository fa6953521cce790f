"""skaffold.yaml is what skaffold reads, and builds and syncs what the Dockerfile and the chart know."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from helm_python import Chart
from jsonschema import Draft7Validator

HOUSE = Path(__file__).parents[3]
CONFIG: dict[str, Any] = yaml.safe_load((HOUSE / "skaffold.yaml").read_text())
PROFILES: dict[str, Any] = {profile["name"]: profile for profile in CONFIG["profiles"]}
OURS = Path(__file__).parent / "skaffold.schema.json"
PUBLISHED = os.environ.get("CONTINUO_SKAFFOLD_SCHEMA", "")
IMAGE = re.compile(r"^\{\{\.IMAGE_FULLY_QUALIFIED_(\w+)\}\}$")


def faults(schema: Path, config: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft7Validator(json.loads(schema.read_text())).iter_errors(config)]


def builds() -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Artifacts and release of the plain configuration and of the one for development."""
    for each in (CONFIG, PROFILES["dev"]):
        yield each["build"]["artifacts"], each["deploy"]["helm"]["releases"][0]


def test_it_is_of_the_schema() -> None:
    assert faults(OURS, CONFIG) == []


@pytest.mark.skipif(not PUBLISHED, reason="CONTINUO_SKAFFOLD_SCHEMA names no published schema")
def test_it_is_of_the_published_schema() -> None:
    assert faults(Path(PUBLISHED), CONFIG) == []


def test_the_schema_refuses_what_it_does_not_know() -> None:
    assert faults(OURS, {**CONFIG, "deployy": {}})
    assert faults(OURS, {**CONFIG, "portForward": [{"resourceTyp": "service"}]})
    assert faults(OURS, {**CONFIG, "profiles": [{"build": {}}]})


def test_the_oldest_skaffold_that_takes_helm_4_is_named() -> None:
    said = " ".join((HOUSE / "skaffold.yaml").read_text().split("apiVersion")[0].replace("#", "").split())
    assert "skaffold 2.19.0 or newer with Helm 4" in said


def test_developing_is_told_with_the_profile_that_it_needs() -> None:
    for page in ("docs/images.md", "k8s/README.md", "skaffold.yaml"):
        text = (HOUSE / page).read_text()
        assert text.count("skaffold dev") == text.count("skaffold dev --profile dev") == 1, page


def test_every_target_is_one_of_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (HOUSE / "Dockerfile").read_text(), re.MULTILINE))
    for artifacts, _ in builds():
        assert {artifact["docker"]["target"] for artifact in artifacts} <= targets


def test_every_image_that_is_deployed_is_built_and_the_chart_takes_it() -> None:
    for artifacts, release in builds():
        built = {artifact["image"].replace("-", "_") for artifact in artifacts}
        values = yaml.safe_load((HOUSE / release["valuesFiles"][0]).read_text())
        for path, template in release["setValueTemplates"].items():
            found = IMAGE.match(template)
            assert found is not None, template
            assert found.group(1) in built
            _put(values, path, f"example/{found.group(1)}:1")
        for path, value in release.get("setValues", {}).items():
            _put(values, path, value)
        rendered = Chart.load(str(HOUSE / release["chartPath"])).render(
            values, name="continuo", namespace="continuo"
        )
        images = set(re.findall(r"example/(\w+):1", "".join(rendered.values())))
        assert images == built


def test_what_is_synced_lands_where_the_development_image_has_its_source() -> None:
    [dev] = [each for each in PROFILES["dev"]["build"]["artifacts"] if each["image"] == "continuo-dev"]
    stages = (HOUSE / "Dockerfile").read_text().split("AS dev\n")[1]
    for rule in dev["sync"]["manual"]:
        folder = PurePosixPath(rule["src"]).parts[0]
        assert f"COPY --chown=10001:10001 {folder} {rule['dest']}/{folder}" in stages


def test_the_ci_profile_patches_what_is_there() -> None:
    assert PROFILES["ci"]["patches"][0]["path"].startswith("/deploy/helm/releases/0/")
    assert "portForward" in CONFIG


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        values = values.setdefault(folder, {})
    values[name] = value
