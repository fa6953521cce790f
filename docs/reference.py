"""Writes the reference pages that are made from code: docs/configuration.md, metrics.md, keys.md, tracing.md.

`make docs` writes them; `make check` runs this with `--check`, which fails when a page is not what the
code says.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from prometheus_client import Counter

from services.shared.bus.key_table import ROWS
from services.shared.runtime.metrics import PREFIX, Metrics
from services.shared.runtime.settings import Described, describe
from services.shared.runtime.tracing import names

HERE = Path(__file__).parent
GROUPS = {
    "connection": "services.connection.settings",
    "conversation": "services.conversation.settings",
    "presence": "services.presence.settings",
    "operator": "continuo_operator.settings",
}

CONFIGURATION = """\
# Configuration

Made from the settings types by `make docs`; change it there.

Every process reads its settings from the environment, once, at its start. A wrong or missing one ends it at
once and is named, all of them together. An empty variable counts as unset. Secrets are masked wherever
settings are printed; each may stand in a file instead, named by the variable with `_FILE` behind it, which is
read anew at every use: a new secret needs no restart.
"""

METRICS = """\
# Metrics

Made from the one table in [services/shared/runtime/metrics.py](../services/shared/runtime/metrics.py) by
`make docs`; change it there. Every process serves them at `/metrics`. Labels hold codes and kinds, never ids.
Durations are seconds. Beside these there are `process_cpu_seconds_total`, `process_resident_memory_bytes` and
the other figures that every exporter tells of its process. What is drawn of them and alerted on:
[observability](observability.md).

| metric | kind | labels | meaning |
|---|---|---|---|
"""

KEYS = """\
# Keys in Redis

Made from the one table in [services/shared/bus/key_table.py](../services/shared/bus/key_table.py) by
`make docs`; change it there. `continuo doctor --keys` looks at every key by this table. `{p}` is the hash tag
of a partition, `{p0}` and so on: all keys of one conversation, or of one user, share it. What is kept for how
long, and how to delete it, is told in [retention](retention.md).

| key | type | owner | TTL | ends | holds |
|---|---|---|---|---|---|
"""

TRACING = """\
# Traces

Made from the one table in [names.py](../services/shared/runtime/tracing/names.py) by `make docs`; change it
there. How traces are switched on is told in [configuration](configuration.md#tracingsettings).

A trace is a message until its turn finishes or waits for a person; an answer to a wait begins a new one,
linked to it. Every span is recorded. A sampled trace's spans leave a process together, when the span that the
process began with has ended. The others wait in a bounded buffer: when a turn failed, was slow or met a
fault, every process that hears of its end sends what it holds of that trace, marked `continuo.sampled=late`;
the rest expires and is counted. Spans that a graph makes by OpenTelemetry's own API join the trace of their
turn. No span of ours holds what people or models said.

## On one machine

`continuo up` (`make run`) has every process append its spans to `.continuo/traces.jsonl`, all of them: one
OTLP/JSON `ExportTraceServiceRequest` a line, some 20 KB a message. At 32 MiB the file becomes
`traces.jsonl.1`, in the place of the one before, and a new one begins: together they never hold more than
64 MiB and what two seconds bring. Where `CONTINUO_TRACES` or an OpenTelemetry endpoint is set, that holds
instead.

```
continuo trace                 # the latest messages: when, which, how long to the reply, to the end of all
continuo trace <message id>    # one message's way as a tree; a trace's id, as log lines have it, does too
```

A line tells when a span began, how long it took, which process it was, what it says of itself; `FAILED`,
`LINK`, `PARENT not here` and `kept late` stand behind that. Two processes of a service are told apart by
their ids' last digits. Any file that services wrote with `CONTINUO_TRACES=file` can be read so: `--file`, or
`CONTINUO_TRACES_FILE`.

A process that is killed takes with it the spans that ended in its last half second, and those below an
attempt that it had not ended; the attempt itself is told by the worker that takes over, and, where the trace
is not sampled, the wait before it. The claim is not.

## One message

Sent at one server and shown at two, begun by a worker that is killed in mid-answer, finished by another
through the loss of the Redis master. Recorded by `make story` in [trace.jsonl](trace.jsonl), which
`continuo trace --file docs/trace.jsonl` reads too. [A test](../tests/story/test_one_story.py) plays it anew
and holds it together: one tree, nothing twice, a span for each step.

![The spans of one message as bars over time, each below its parent](trace.svg)

## Spans

| span | kind | by | [step](message-path.md) | what it is | attributes |
|---|---|---|---|---|---|
"""

ATTRIBUTES = """
A span of a model or a tool is called by its conventional name, `chat <model>` or `execute_tool <tool>`. The
span of an attempt has an id made from the attempt's: others link to it without being told. A span that failed
has the status error and says why in `error.type`, by a code or a kind.

## Attributes

| attribute | meaning |
|---|---|
"""


def configuration() -> str:
    """The page of all settings, a section per group, in the order the services name them."""
    rows: dict[type[msgspec.Struct], dict[str, Described]] = {}
    readers: dict[type[msgspec.Struct], list[str]] = {}
    for service, place in GROUPS.items():
        for settings in _settings_of(place):
            for row in describe(settings):
                rows.setdefault(row.group, {})[row.variable] = row
                if service not in (known := readers.setdefault(row.group, [])):
                    known.append(service)
    sections = [_section(group, list(rows[group].values()), readers[group]) for group in rows]
    return CONFIGURATION + "".join(sections)


def metrics() -> str:
    """The page of all metrics."""
    return METRICS + "".join(_metric_lines())


def keys() -> str:
    """The page of all keys."""
    return KEYS + "".join(_key_lines())


def tracing() -> str:
    """The page of all spans and attributes."""
    return TRACING + "".join(_span_lines()) + ATTRIBUTES + "".join(_attribute_lines())


def _settings_of(place: str) -> Iterator[type[msgspec.Struct]]:
    module = importlib.import_module(place)
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__:
            yield kind


def _section(group: type[msgspec.Struct], rows: list[Described], readers: list[str]) -> str:
    about = (inspect.getdoc(group) or "").split("\n\n")[0].replace("\n", " ")
    lines = [f"\n## {group.__name__}\n\n{about} Read by: {', '.join(readers)}.\n"]
    lines.append("\n| variable | expects | default | meaning |\n|---|---|---|---|\n")
    lines += [
        f"| `{r.variable}` | {_cell(r.kind)} | {_shown(r.default)} | {_cell(r.meaning)} |\n" for r in rows
    ]
    return "".join(lines)


def _shown(default: str | None) -> str:
    if default is None:
        return "required"
    return f"`{default}`" if default else "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _metric_lines() -> Iterator[str]:
    for row in Metrics.table():
        name = PREFIX + row.name + ("_total" if row.kind is Counter else "")
        labels = ", ".join(f"`{label}`" for label in row.labels)
        yield f"| `{name}` | {row.kind.__name__.lower()} | {labels} | {_cell(row.meaning)} |\n"


def _key_lines() -> Iterator[str]:
    for row in ROWS:
        cells = (row.type, row.owner, "yes" if row.expires else "", row.ends, row.holds)
        yield f"| `{row.pattern}` | {' | '.join(map(_text, cells))} |\n"


def _span_lines() -> Iterator[str]:
    for row in names.table():
        said = ", ".join(f"`{names.ATTRIBUTES[one].key}`" for one in row.attributes)
        cells = (row.kind, row.service, row.step, _text(row.meaning), said)
        yield f"| `{row.name}` | {' | '.join(cells)} |\n"


def _attribute_lines() -> Iterator[str]:
    for attribute in sorted(names.ATTRIBUTES.values(), key=lambda one: one.key):
        yield f"| `{attribute.key}` | {_text(attribute.meaning)} |\n"
    yield f"| `{names.ERROR}` | Why it failed: a code or a kind |\n"
    yield f"| `{names.LATE}` | `late`: kept afterwards, its trace had not been sampled |\n"


def _text(text: str) -> str:
    """A cell of plain words, in which a place is no HTML."""
    return _cell(text).replace("<", "&lt;")


def main() -> int:
    pages = {"configuration.md": configuration(), "metrics.md": metrics(), "keys.md": keys()}
    pages["tracing.md"] = tracing()
    if "--check" not in sys.argv[1:]:
        for name, text in pages.items():
            (HERE / name).write_text(text)
        return 0
    stale = [name for name, text in pages.items() if not _is(HERE / name, text)]
    for name in stale:
        print(f"docs/{name} is not what the code says: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


def _is(page: Path, text: str) -> bool:
    return page.exists() and page.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
