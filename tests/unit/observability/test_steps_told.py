"""Each step of the message's path has its numbers, and the pages name pictures and spans that there are."""

import re
from pathlib import Path

from observability.dashboards import BOARDS
from services.shared.runtime.metrics import PREFIX, Metrics
from services.shared.runtime.tracing.names import ATTRIBUTES, LATE, table

HOUSE = Path(__file__).parents[3]
PAGE = (HOUSE / "docs/observability.md").read_text()
STEPS = re.findall(r"^## (\d+)\. ", (HOUSE / "docs/message-path.md").read_text(), re.MULTILINE)
SCRIPTS = {path.stem for path in (HOUSE / "services/shared/bus/lua").glob("*.lua")}
WORDS = re.compile(r"`([^`\n]+)`")


def steps() -> dict[str, list[str]]:
    """The cells of each row of the table of steps."""
    part = PAGE.split("## Each step in numbers")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) [^|]*\|(.+)\|$", part, re.MULTILINE)
    return {step: [cell.strip() for cell in cells.split("|")] for step, cells in rows}


def test_every_step_has_its_rate_its_errors_its_duration_and_its_room() -> None:
    assert list(steps()) == STEPS
    for step, cells in steps().items():
        assert len(cells) == 4, step
        assert all(WORDS.search(cell) or "the same" in cell for cell in cells), step


def test_what_is_no_metric_in_it_is_a_script_of_redis_or_a_label() -> None:
    known = {f"{PREFIX}{row.name}" for row in Metrics.table()} | {
        f"{PREFIX}{row.name}_total" for row in Metrics.table()
    }
    for cells in steps().values():
        for word in WORDS.findall(" ".join(cells)):
            assert word in known | SCRIPTS | {"code", "process_cpu_seconds_total"}, word


def test_pictures_that_are_named_are_there() -> None:
    titles = {panel.title for board in BOARDS for panel in board.panels}
    rows = {row.title for board in BOARDS for row in board.rows}
    boards = {board.title.removeprefix("Continuo: ") for board in BOARDS} | {one.title for one in BOARDS}
    for named in re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", PAGE.replace("\n", " ")):
        assert named in titles | rows | boards, named
    told = PAGE.split("| they say |")[1].split("\n\n")[0]
    for line in told.splitlines()[2:]:
        assert line.split("|")[2].strip() in titles


def test_spans_and_attributes_that_are_named_are_there() -> None:
    spans = {row.name for row in table()}
    attributes = {attribute.key for attribute in ATTRIBUTES.values()} | {LATE}
    part = PAGE.split("## Objectives")[0]
    shaped = re.compile(r"(?<!\w)(?:continuo|messaging|gen_ai|message|turn|thread|graph|session)\.[a-z_.]+")
    found = {word for code in WORDS.findall(part) for word in shaped.findall(code)}
    assert found - spans - attributes == set()
    assert len(found) > 15
