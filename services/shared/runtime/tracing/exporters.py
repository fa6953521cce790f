"""Where spans go: a collector over gRPC or HTTP, or a file. Each is called from the sending thread.

The libraries' own log lines, one or more per batch, are taken for the reason why a batch was not taken.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

from services.shared.runtime.tracing.otlp_json import line
from services.shared.runtime.tracing.settings import TracingSettings

FILE_MODE = 0o640
TRACES_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
PARSER = "opentelemetry.util.re"
SPEAKERS = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)
"""The loggers that say why an export failed."""
GRPC_MANNERS = (("GRPC_VERBOSITY", "NONE"), ("GRPC_ENABLE_FORK_SUPPORT", "false"))
"""Its core would write lines of its own among ours, also when a process is started; nobody forks here."""


class Collector:
    """A collector, as OpenTelemetry's exporters reach it; each export ends by their time limit."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._words = _Words()
        for name in SPEAKERS:
            logging.getLogger(name).filters.insert(0, self._words)  # before one that hides repetitions

    def export(self, spans: Sequence[ReadableSpan]) -> str:
        """Why they were not taken; empty if they were."""
        self._words.last = ""
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return ""
        return self._words.last or "refused"

    def shutdown(self) -> None:
        """Break off what is under way."""
        self._exporter.shutdown()
        for name in SPEAKERS:
            logging.getLogger(name).removeFilter(self._words)


class File:
    """A file to which several processes append: each batch is one line, written at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> str:
        """Append them. The file is opened anew each time, so that it may be moved away."""
        text = line(spans)
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                whole = os.write(file, text) == len(text)
            finally:
                os.close(file)
        except OSError as fault:
            return fault.strerror or type(fault).__name__
        return "" if whole else "the disk is full"

    def shutdown(self) -> None:
        """Nothing is open."""


def opened(settings: TracingSettings) -> Collector | File:
    """The exporter that the settings name. Reaches nobody yet; raises for variables that make no sense."""
    if settings.into == "file":
        return File(Path(settings.traces_file))
    return Collector(_SPEAKING[settings.protocol](settings.endpoint, _headers(settings)))


def _headers(settings: TracingSettings) -> dict[str, str] | None:
    """Those that the exporter would not find by itself, for it knows of no files; None: there are none.
    Raises ValueError, which names none of them, for what is no header.
    """
    if settings.otlp_headers is None or TRACES_HEADERS in os.environ:
        return None
    logging.getLogger(PARSER).disabled = True  # its remark on what it cannot read would quote it
    text = settings.otlp_headers.reveal()
    if not all("=" in part for part in text.split(",") if part.strip()):
        raise ValueError("OTEL_EXPORTER_OTLP_HEADERS: expected name=value, several with commas between")
    return dict(parse_env_headers(text, liberal=True)) or None


def _over_grpc(endpoint: str | None, headers: dict[str, str] | None) -> SpanExporter:
    for name, value in GRPC_MANNERS:
        os.environ.setdefault(name, value)
    from opentelemetry.exporter.otlp.proto.grpc import trace_exporter  # noqa: PLC0415 - 30 MB, if it is wanted

    return trace_exporter.OTLPSpanExporter(endpoint, headers=headers)


def _over_http(endpoint: str | None, headers: dict[str, str] | None) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415 - 15 MB, if it is wanted

    return trace_exporter.OTLPSpanExporter(endpoint, headers=headers)


_SPEAKING: dict[str, Callable[[str | None, dict[str, str] | None], SpanExporter]] = {
    "grpc": _over_grpc,
    "http/protobuf": _over_http,
}


class _Words(logging.Filter):
    """Keeps what a logger said last, and keeps it to itself."""

    last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.last = record.getMessage()
        return False
