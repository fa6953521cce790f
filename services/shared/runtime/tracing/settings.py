"""Whether and where to spans go. Read by `runtime.settings.load` as a part of every service's settings."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from services.shared.runtime.secret import Secret

Protocol = Literal["grpc", "http/protobuf"]

GRPC_PORT = 4317
HTTP_PATH = "/v1/traces"


class TracingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which traces are kept and where they go. Certificates, compression and the time limit of an export are
    OpenTelemetry's own variables, `OTEL_EXPORTER_OTLP_CERTIFICATE` and so on (its Python library takes
    `OTEL_EXPORTER_OTLP_TIMEOUT` as seconds).
    """

    traces: Annotated[
        Literal["otlp", "file", "off"] | None,
        Meta(description="Where spans go; empty: otlp where an endpoint is set, else off."),
    ] = None
    traces_ratio: Annotated[
        float,
        Meta(
            ge=0, le=1, description="Share of traces that is sampled at the root; followed everywhere else."
        ),
    ] = 0.01
    traces_file: Annotated[
        str,
        Meta(
            description="With file: where, one OTLP/JSON ExportTraceServiceRequest a line; all processes may "
            "append to one file."
        ),
    ] = ""
    traces_slow_s: Annotated[
        float,
        Meta(
            gt=0, description="A turn that takes longer, from queued to finished, is kept though not sampled."
        ),
    ] = 30.0
    traces_buffer_spans: Annotated[
        int,
        Meta(
            ge=100,
            description="Spans that are held until their trace may leave, and as many on their way; one of a "
            "graph's own counts once more for each kilobyte that it says.",
        ),
    ] = 20_000
    traces_buffer_s: Annotated[
        float, Meta(gt=0, description="Seconds an unsampled span waits for its trace to be kept.")
    ] = 120.0
    traces_clients: Annotated[
        Literal["link", "parent", "ignore"], Meta(description="What a client's own traceparent becomes.")
    ] = "link"
    otlp_endpoint: Annotated[
        str,
        Meta(
            description="Base address of the collector, such as http://collector:4318.",
            extra={"env": "OTEL_EXPORTER_OTLP_ENDPOINT"},
        ),
    ] = ""
    otlp_traces_endpoint: Annotated[
        str,
        Meta(
            description="The same for traces alone; over HTTP with its path.",
            extra={"env": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
        ),
    ] = ""
    otlp_headers: Annotated[
        Secret | None,
        Meta(
            description="Headers of each export, name=value with commas between; from a file they are read "
            "at the start. Those in OTEL_EXPORTER_OTLP_TRACES_HEADERS hold instead.",
            extra={"env": "OTEL_EXPORTER_OTLP_HEADERS"},
        ),
    ] = None
    otlp_protocol: Annotated[
        Protocol | None,
        Meta(
            description="How to speak to it; empty: grpc where the port is 4317, else http/protobuf.",
            extra={"env": "OTEL_EXPORTER_OTLP_PROTOCOL"},
        ),
    ] = None
    otlp_traces_protocol: Annotated[
        Protocol | None,
        Meta(description="The same for traces alone.", extra={"env": "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"}),
    ] = None

    def __post_init__(self) -> None:
        """Raise ValueError for a file without a name."""
        if self.traces == "file" and not self.traces_file:
            raise ValueError("CONTINUO_TRACES is file; CONTINUO_TRACES_FILE must say which")

    @property
    def into(self) -> Literal["otlp", "file", "off"]:
        """Where spans go, with what was left open decided."""
        return self.traces or ("otlp" if self.otlp_traces_endpoint or self.otlp_endpoint else "off")

    @property
    def protocol(self) -> Protocol:
        """How to speak to the collector."""
        told = self.otlp_traces_protocol or self.otlp_protocol
        return told or ("grpc" if _port(self.endpoint_base) == GRPC_PORT else "http/protobuf")

    @property
    def endpoint_base(self) -> str:
        """The address as it was given; empty: the exporter's own default, this machine."""
        return self.otlp_traces_endpoint or self.otlp_endpoint

    @property
    def endpoint(self) -> str | None:
        """The address in full; None: the exporter's own default, this machine."""
        if self.protocol == "http/protobuf" and self.otlp_endpoint and not self.otlp_traces_endpoint:
            return self.otlp_endpoint.removesuffix("/") + HTTP_PATH
        return self.endpoint_base or None


def _port(endpoint: str) -> int | None:
    try:
        return urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").port
    except ValueError:
        return None
