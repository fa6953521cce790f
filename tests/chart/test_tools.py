"""What is run by the tools' image: backups, and what docs/backup.md makes of the CronJob after a restore."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest

from continuo_operator.settings import OperatorSettings
from services.local.cli import parser_of
from services.local.restored import RestoredSettings
from services.presence.settings import PresenceSettings
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.settings import describe, load
from tests.support.chart import CHART, PRODUCTION, Object, Rendered, merged, render
from tests.support.chart_schemas import NEWEST, OLDEST, InvalidError, judge
from tests.support.chart_values import COMBINATIONS

PAGE = CHART.parents[1] / "docs" / "backup.md"
WITH_BACKUP = [name for name, values in COMBINATIONS.items() if values.get("backup", {}).get("enabled")]
HOUSE = {
    "backup": {"enabled": True},
    "settings": {"PARTITIONS": 128, "ACKS": "master"},
    "presence": {"settings": {"GRACE_S": 33}},
}
"""What `continuo restored` has to know of a house that is not as it comes."""


def environment(pod: Object) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in pod["containers"][0].get("env", [])}


def pod_of(rendered: Rendered, whose: str) -> Object:
    [pod] = [spec for name, _, spec in rendered.pods() if name == whose]
    return pod


def variables(*groups: Any) -> set[str]:
    rows = [row for group in groups for row in describe(group)]
    return {row.variable for row in rows} | {
        f"{row.variable}_FILE" for row in rows if row.kind == "a secret text"
    }


def restored_job(cronjob: Object) -> Object:
    """The Job that the page's pipe applies: kubectl's own making of it, then the patch as it is written."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "restored", "annotations": {"cronjob.kubernetes.io/instantiate": "manual"}},
        "spec": deepcopy(cronjob["spec"]["jobTemplate"]["spec"]),
    }
    [patch] = re.findall(r"-p '(\[.*\])'", PAGE.read_text(encoding="utf-8"))
    for step in json.loads(patch):
        replaced(job, step)
    return job


def replaced(job: Object, step: dict[str, Any]) -> None:
    """Of RFC 6902 what the page uses: a replacement of what has to be there."""
    assert step["op"] == "replace"
    *way, last = step["path"].strip("/").split("/")
    here: Any = job
    for part in way:
        here = here[int(part)] if isinstance(here, list) else here[part]
    assert last in here
    here[last] = step["value"]


def test_after_a_restore_the_cronjob_knows_the_services_settings() -> None:
    rendered = render(merged(PRODUCTION, HOUSE))
    here = environment(pod_of(rendered, "CronJob continuo-backup"))
    plain = {name: value for name, value in here.items() if not name.endswith("_FILE")}
    found = load(RestoredSettings, plain)
    service = environment(pod_of(rendered, "Deployment continuo-presence"))
    theirs = load(PresenceSettings, {k: v for k, v in service.items() if not k.endswith("_FILE")})
    assert (found.redis.partitions, found.redis.acks) == (128, "master")
    assert (found.redis, found.grace_s) == (theirs.redis, theirs.grace_s)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_variable_of_the_operator_is_a_setting_of_its(name: str) -> None:
    for whose, _, pod in render(COMBINATIONS[name]).pods():
        if whose.startswith("Deployment") and whose.endswith("-operator"):
            given = {key: value for key, value in environment(pod).items() if key.startswith("CONTINUO_")}
            assert given.keys() <= variables(OperatorSettings)
            settings = load(OperatorSettings, given | {"CONTINUO_OPERATOR_NAMESPACE": "talk"})
            assert settings.operator_nodes is (name == "production: tainted nodes")


@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_variable_of_the_tools_is_a_setting_of_theirs(name: str) -> None:
    for whose, _, pod in render(COMBINATIONS[name]).pods():
        given = {key for key in environment(pod) if key.startswith("CONTINUO_")}
        if whose.startswith("CronJob"):
            assert given <= variables(RestoredSettings, RedisSettings)
        elif whose.startswith("Pod "):
            assert not given


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", WITH_BACKUP)
def test_the_pipe_of_a_restore_makes_a_job_that_kubernetes_takes(name: str, version: str) -> None:
    [cronjob] = render(COMBINATIONS[name]).of("CronJob")
    job = restored_job(cronjob)
    judge(job, version)
    before = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    [after] = job["spec"]["template"]["spec"]["containers"]
    assert after == before | {"args": ["restored"]}


def test_a_job_that_is_wrong_is_seen() -> None:
    job = restored_job(render(merged(PRODUCTION, HOUSE)).of("CronJob")[0])
    job["spec"]["template"]["spec"]["containers"][0]["args"] = "restored"
    with pytest.raises(InvalidError):
        judge(job, NEWEST)


@pytest.mark.parametrize("name", WITH_BACKUP)
def test_what_pods_run_are_words_that_the_command_takes(name: str) -> None:
    [cronjob] = render(COMBINATIONS[name]).of("CronJob")
    for template in (cronjob["spec"]["jobTemplate"]["spec"], restored_job(cronjob)["spec"]):
        [one] = template["template"]["spec"]["containers"]
        assert one["command"] == ["continuo"]
        parser_of(one["args"][0]).parse_args(one["args"])
