import pytest

from services.shared.runtime.settings import SettingsError, load
from services.shared.runtime.tracing import TracingSettings


def loaded(**environ: str) -> TracingSettings:
    return load(TracingSettings, environ)


@pytest.mark.parametrize(
    ("environ", "into"),
    [
        ({}, "off"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "CONTINUO_TRACES": "off"}, "off"),
        ({"CONTINUO_TRACES": "otlp"}, "otlp"),
        ({"CONTINUO_TRACES": "file", "CONTINUO_TRACES_FILE": "spans"}, "file"),
    ],
)
def test_spans_go_where_they_are_sent_or_nowhere(environ: dict[str, str], into: str):
    assert loaded(**environ).into == into


@pytest.mark.parametrize(
    ("environ", "protocol", "endpoint"),
    [
        ({}, "http/protobuf", None),
        ({"ENDPOINT": "http://c:4317"}, "grpc", "http://c:4317"),
        ({"ENDPOINT": "c:4317"}, "grpc", "c:4317"),
        ({"ENDPOINT": "http://c:4318"}, "http/protobuf", "http://c:4318/v1/traces"),
        ({"ENDPOINT": "http://c:4318/"}, "http/protobuf", "http://c:4318/v1/traces"),
        ({"ENDPOINT": "http://c:9", "PROTOCOL": "grpc"}, "grpc", "http://c:9"),
        ({"TRACES_ENDPOINT": "http://c/x", "ENDPOINT": "http://d"}, "http/protobuf", "http://c/x"),
        (
            {"ENDPOINT": "http://c:4317", "PROTOCOL": "grpc", "TRACES_PROTOCOL": "http/protobuf"},
            "http/protobuf",
            "http://c:4317/v1/traces",
        ),
        ({"ENDPOINT": "http://c:port"}, "http/protobuf", "http://c:port/v1/traces"),
    ],
)
def test_the_standard_variables_say_how(environ: dict[str, str], protocol: str, endpoint: str | None):
    settings = loaded(**{f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()})
    assert (settings.protocol, settings.endpoint) == (protocol, endpoint)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"CONTINUO_TRACES": "file"}, "CONTINUO_TRACES_FILE"),
        ({"CONTINUO_TRACES": "yes"}, "CONTINUO_TRACES is 'yes'"),
        ({"CONTINUO_TRACES_RATIO": "1.5"}, "CONTINUO_TRACES_RATIO"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(environ: dict[str, str], named: str):
    with pytest.raises(SettingsError, match=named):
        loaded(**environ)
