"""The pages say what the code says, and every link in them leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Counter

from services.shared.runtime.metrics import PREFIX, Metrics
from services.shared.runtime.tracing import spans

HOUSE = Path(__file__).parents[3]
FOLDERS = ("*.md", "docs/*.md", "docs/runbook/*.md")
PAGES = sorted(str(page.relative_to(HOUSE)) for folder in FOLDERS for page in HOUSE.glob(folder))
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize(
    "writer", ["docs/reference.py", "docs/protocol.py", "docs/permissions.py", "docs/lines.py"]
)
def test_the_generated_pages_are_fresh(writer: str):
    command = [sys.executable, writer, "--check"]
    checked = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_metric_is_documented():
    page = (HOUSE / "docs/metrics.md").read_text()
    for row in Metrics.table():
        assert f"`{PREFIX}{row.name}{'_total' if row.kind is Counter else ''}`" in page


def test_every_metric_is_counted_somewhere():
    code = "".join(
        path.read_text() for room in ("services", "operator") for path in (HOUSE / room).rglob("*.py")
    )
    idle = [row.name for row in Metrics.table() if not re.search(rf"metrics\.{row.name}\b", code)]
    assert idle == []


def test_the_bounds_name_settings_and_metrics_that_exist():
    page = (HOUSE / "docs/bounds.md").read_text()
    settings, metrics = (HOUSE / f"docs/{each}.md" for each in ("configuration", "metrics"))
    known = settings.read_text() + metrics.read_text()
    named = set(re.findall(r"`(CONTINUO_\w+|continuo_\w+)", page))
    assert len(named) > 30
    assert [name for name in sorted(named) if f"`{name}`" not in known] == []


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_in_a_page_leads_somewhere(page: str):
    text = (HOUSE / page).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        linked = (HOUSE / page).parent / path if path else HOUSE / page
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert fragment in map(anchor, headings), target


@pytest.mark.parametrize("page", PAGES)
def test_every_test_named_in_a_page_exists(page: str):
    for path, name in TEST_NAME.findall((HOUSE / page).read_text()):
        assert re.search(rf"^\s*(async )?def {name}\b", (HOUSE / path).read_text(), re.MULTILINE), (
            f"{path}::{name}"
        )


def test_the_message_path_has_ten_steps_each_with_a_file_and_a_test():
    page = (HOUSE / "docs/message-path.md").read_text()
    steps = re.split(r"^## (?=\d+\. )", page, flags=re.MULTILINE)[1:]
    assert [int(step.split(".")[0]) for step in steps] == list(range(1, 11))
    for step in steps:
        assert "](../services/" in step, step.splitlines()[0]
        assert "**If the process dies here:**" in step, step.splitlines()[0]
        assert TEST_NAME.search(step), step.splitlines()[0]


def test_each_step_of_the_message_path_names_its_spans_and_the_table_the_step():
    page = (HOUSE / "docs/message-path.md").read_text()
    steps = re.split(r"^## (?=\d+\. )", page, flags=re.MULTILINE)[1:]
    named = {
        (step.split(".")[0], span)
        for step in steps
        for line in re.findall(r"^\*\*Spans:\*\* (.+)$", step, re.MULTILINE)
        for span in re.findall(r"`([^`]+)`", line)
    }
    assert named == {(step, row.name) for row in spans.table() for step in row.step.split(", ")}
    assert {step for step, _ in named} == set(map(str, range(1, 11)))


def test_every_verb_of_the_makefile_explains_itself():
    verbs = re.findall(r"^([a-z]+):(.*)$", (HOUSE / "Makefile").read_text(), re.MULTILINE)
    assert verbs
    assert [name for name, rest in verbs if "## " not in rest] == []
