"""`continuo trace` on files as processes write them, and what it says where there is nothing to show."""

from pathlib import Path

import pytest

from services.local import kept_traces
from services.local.cli import main
from services.local.collected import Collected
from services.local.home import Home
from services.local.way import MESSAGE
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing, TracingSettings, spans

ID = "019ac8f0-5b1e-7c3a-9d41-2f6a8b0c7e55"
NOBODYS = "019ac8f0-5b1e-7c3a-9d41-000000000000"


async def written(file: Path, message: str = ID) -> str:
    """A message's first two spans, written as a process writes them; the trace's id."""
    settings = TracingSettings(traces="file", traces_file=str(file), traces_ratio=1.0)
    tracing = await Tracing.open(settings, service="connection", node="c1", metrics=Metrics())
    with tracing.span(spans.SEND, message=message) as send, tracing.span(spans.ACCEPT, turns=2) as accept:
        accept.fail("queue_full")
    await tracing.close()
    return send.trace


def typed(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str]]:
    code = main(["trace", *map(str, words)])
    return code, capsys.readouterr().out.splitlines()


async def test_a_message_is_found_by_its_id_or_its_traces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "traces.jsonl"
    trace = await written(file)
    await written(file, NOBODYS)
    for word in (ID, ID.upper(), trace):
        code, lines = typed(capsys, word, "--file", file)
        assert (code, lines[0]) == (0, f"message {ID}")
        assert [line.split()[4] for line in lines[4:5]] == ["message.send"]
        assert lines[5].endswith("connection  turns=2  FAILED: queue_full")
        assert len(lines) == 6


async def test_without_an_id_the_latest_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "traces.jsonl"
    for message in (ID, NOBODYS):
        await written(file, message)
    code, lines = typed(capsys, "--file", file)
    assert (code, [line.split()[3] for line in lines]) == (0, [ID, NOBODYS])


async def test_the_part_that_was_moved_away_is_read_too_and_half_a_line_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    trace = await written(file)
    whole = file.read_bytes()
    assert kept_traces.moved_if_full(file, len(whole))
    file.write_bytes(whole + b"no json of " + ID.encode() + b"\n" + whole[: len(whole) // 2])
    [told] = Collected(file).traces_of(MESSAGE, ID)
    assert [(span.trace, span.name, span.service) for span in told] == [
        (trace, "message.send", "connection"),
        (trace, "message.accept", "connection"),
    ]


def test_a_file_is_moved_away_only_when_it_is_full(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    assert not kept_traces.moved_if_full(file, 0)
    file.write_text("older\n")
    assert kept_traces.moved_if_full(file, 6)
    file.write_text("newer\n")
    assert not kept_traces.moved_if_full(file, 7)
    assert kept_traces.moved_if_full(file, 6)
    assert kept_traces.older(file).read_text() == "newer\n"
    assert list(tmp_path.iterdir()) == [kept_traces.older(file)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hello"], "hello is no message id"),
        ([ID[:-1]], "is no message id"),
        ([NOBODYS], f"has no span of {NOBODYS}"),
        (["f" * 32], "has no span of"),
    ],
)
async def test_what_cannot_be_shown_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    await written(tmp_path / "traces.jsonl")
    code, lines = typed(capsys, *words, "--file", tmp_path / "traces.jsonl")
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("continuo trace: ")
    assert said in lines[0]


def test_a_missing_file_is_said_and_none_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTINUO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CONTINUO_TRACES_FILE", raising=False)
    code, lines = typed(capsys, ID)
    assert (code, len(lines)) == (1, 1)
    assert f"there are no traces in {tmp_path / 'home/traces.jsonl'}" in lines[0]
    monkeypatch.setenv("CONTINUO_TRACES_FILE", str(tmp_path / "named"))
    assert f"there are no traces in {tmp_path / 'named'}" in typed(capsys, ID)[1][0]
    assert list(tmp_path.iterdir()) == []


def test_services_write_the_folders_file_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    home = Home(tmp_path)
    own = {
        "CONTINUO_TRACES": "file",
        "CONTINUO_TRACES_FILE": str(tmp_path / "traces.jsonl"),
        "CONTINUO_TRACES_RATIO": "1",
    }
    assert kept_traces.settings(home, {}) == own
    assert kept_traces.settings(home, {"CONTINUO_TRACES_RATIO": "0.5"}) == {
        **own,
        "CONTINUO_TRACES_RATIO": "0.5",
    }
    named = {"CONTINUO_TRACES": "file", "CONTINUO_TRACES_FILE": "mine"}
    assert kept_traces.settings(home, named) == {**own, "CONTINUO_TRACES_FILE": "mine"}
    for elsewhere in (
        {"CONTINUO_TRACES": "off"},
        {"CONTINUO_TRACES": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"},
    ):
        assert kept_traces.settings(home, elsewhere) == {}
