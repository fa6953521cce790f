"""Which Prometheus is run beside `continuo up`, and what it is told."""

import json
from pathlib import Path

import pytest
import yaml

from observability.alerts import OPERATOR
from observability.rules import groups
from services.local import observed
from services.local.cli import main
from services.local.home import Home
from services.local.up import service_groups


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CONTINUO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(observed, "_HOUSE", tmp_path / "project")
    return tmp_path


def put(place: Path) -> Path:
    place.parent.mkdir(parents=True)
    place.touch(0o755)
    return place


def test_an_installed_one_comes_before_an_unpacked_one(bare: Path) -> None:
    home = Home(bare / "home")
    beside = put(bare / "project/.continuo/prometheus/usr/bin/prometheus")
    assert observed.program(home) == beside
    own = put(bare / "home/prometheus/usr/bin/prometheus")
    assert observed.program(home) == own
    installed = put(bare / "bin/prometheus")
    assert observed.program(home) == installed


def test_without_one_nothing_is_started_and_it_is_said_in_one_line(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--observe"]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(
        "continuo up: --observe needs Prometheus, which is not installed: `apt-get install"
    )
    assert not (bare / "home").exists()


def test_it_scrapes_every_service_as_one_release_and_has_the_rules() -> None:
    scraped = [service for group in service_groups([1, 2, 3, 4]) for service in group]
    told = json.loads(observed.configuration(scraped, observed.RULES))
    [job] = told["scrape_configs"]
    assert job["job_name"] == "continuo"
    assert {each["labels"]["process"]: each["targets"] for each in job["static_configs"]} == {
        "connection-1": ["127.0.0.1:1"],
        "connection-2": ["127.0.0.1:2"],
        "conversation": ["127.0.0.1:3"],
        "presence": ["127.0.0.1:4"],
    }
    assert [Path(rules).exists() for rules in told["rule_files"]] == [True]
    assert json.loads(observed.configuration(scraped, None))["rule_files"] == []


def test_it_judges_all_rules_but_the_operators() -> None:
    """None runs here, and its absence would be told after five minutes."""
    told = yaml.safe_load(observed.rules_of(observed.RULES.read_text()))
    assert told["groups"] == [group for group in groups() if group["name"] != OPERATOR]


def test_an_unpacked_one_is_told_where_its_pages_are_and_another_is_not(tmp_path: Path) -> None:
    """It would look for them under /usr; the word is Debian's own."""
    unpacked = tmp_path / observed.UNPACKED
    pages = tmp_path / "prometheus/usr/share/prometheus/web"
    assert observed.pages_of(unpacked) == [f"--web.local-assets={pages}"]
    assert observed.pages_of(Path("/usr/bin/prometheus")) == []
