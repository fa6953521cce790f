"""A langgraph.json: what of it is taken, what is named as left out, and each fault with its file and key."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from services.conversation.graph import own
from services.conversation.graph.own import open_graphs
from services.shared.runtime.settings import SettingsError

EXAMPLE = Path(__file__).parents[3] / "k8s/examples/own-agents"
AGENT = """
from langgraph.graph import START, MessagesState, StateGraph

def silent(state):
    return {}

builder = StateGraph(MessagesState).add_node(silent).add_edge(START, "silent")
graph = builder.compile()
"""


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Modules and folders of one test are not another's."""
    modules, folders = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = folders
    for name in set(sys.modules) - modules:
        if "langgraph" not in name and "langchain" not in name:
            del sys.modules[name]


class Folder:
    """A project's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.json = path / "langgraph.json"

    def write(self, name: str, content: str = AGENT) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    async def opened(self, **content: Any) -> dict[str, Any]:
        self.json.write_text(json.dumps({"graphs": {"a": "./agent.py:graph"}, **content}))
        self.environ: dict[str, str] = {"SET": "before"}
        return dict(await open_graphs([str(self.json)], self.environ))

    async def faults(self, **content: Any) -> list[str]:
        with pytest.raises(SettingsError) as refused:
            await self.opened(**content)
        assert all(each.startswith(f"CONTINUO_GRAPHS: {self.json}: ") for each in refused.value.faults)
        return [each.removeprefix(f"CONTINUO_GRAPHS: {self.json}: ") for each in refused.value.faults]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "project")
    made.write("agent.py")
    return made


@pytest.mark.parametrize(
    "graphs",
    [
        {"a": "./agent.py:graph"},
        {"a": "agent.py:builder"},
        {"a": "agent:graph"},
        {"a": {"path": "./agent.py:graph", "description": "says nothing"}},
        {"a": "./deep/er/agent.py:graph", "b": "deep.er.agent:builder"},
    ],
)
async def test_both_forms_of_a_path_are_found_from_the_jsons_own_folder(folder: Folder, graphs: Any) -> None:
    folder.write("deep/er/agent.py")
    assert list(await folder.opened(graphs=graphs)) == list(graphs)


async def test_a_file_is_the_module_that_its_neighbours_import(folder: Folder) -> None:
    folder.write("shop/types.py", "class Good: ...")
    folder.write("shop/agent.py", AGENT + "from shop.types import Good\nfrom .types import Good as Same\n")
    await folder.opened(graphs={"a": "./shop/agent.py:graph"})
    assert sys.modules["shop.agent"].Good is sys.modules["shop.agent"].Same
    assert [name for name in sys.modules if name.endswith("agent") and "shop" in name] == ["shop.agent"]


async def test_two_projects_may_have_files_of_one_name(tmp_path: Path) -> None:
    words = []
    for name in ("one", "two"):
        project = Folder(tmp_path / name)
        project.write("agent.py", AGENT + f"NAME = '{name}'\n")
        project.json.write_text(json.dumps({"graphs": {name: "./agent.py:graph"}}))
        words.append(str(project.json))
    assert list(await open_graphs(words, {})) == ["one", "two"]
    assert {getattr(each, "NAME", "") for each in list(sys.modules.values())} >= {"one", "two"}


async def test_words_stand_beside_projects_and_a_name_is_given_once(folder: Folder) -> None:
    await folder.opened()
    with pytest.raises(SettingsError) as refused:
        await open_graphs([str(folder.json), "a=agent:graph"], {})
    assert refused.value.faults == ["CONTINUO_GRAPHS: 'a=agent:graph' names the agent a a second time"]
    assert list(await open_graphs([str(folder.json), "b=agent:graph"], {})) == ["a", "b"]


async def test_variables_are_set_where_the_process_has_none_and_ours_are_passed_over(folder: Folder) -> None:
    with structlog.testing.capture_logs() as logs:
        await folder.opened(env={"KEY": "k", "SET": "after", "CONTINUO_LEASE_S": "1"})
    assert folder.environ == {"SET": "before", "KEY": "k"}
    [line] = logs
    assert line["variables"] == ["CONTINUO_LEASE_S"]


async def test_variables_of_a_file_are_read_as_langgraphs_tools_read_them(folder: Folder) -> None:
    folder.write(".env", "# keys\nexport KEY='a b'\nOTHER=\"${KEY}!\"\nSET=after\nEMPTY\n")
    await folder.opened(env=".env")
    assert folder.environ == {"SET": "before", "KEY": "a b", "OTHER": "a b!"}


async def test_variables_are_there_when_a_module_is_imported(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("agent.py", "import os\nassert os.environ['IN_A_TEST'] == 'k'\n" + AGENT)
    monkeypatch.setenv("IN_A_TEST", "")
    monkeypatch.delenv("IN_A_TEST")
    folder.json.write_text(json.dumps({"graphs": {"a": "./agent.py:graph"}, "env": {"IN_A_TEST": "k"}}))
    await open_graphs([str(folder.json)], os.environ)


async def test_local_dependencies_are_found_also_where_their_sources_lie_in_src(folder: Folder) -> None:
    folder.write("../library/goods.py", "NAME = 'chair'\n")
    folder.write("../packaged/pyproject.toml", "[project]\nname = 'packaged'\n")
    folder.write("../packaged/src/packaged/__init__.py", "NAME = 'lamp'\n")
    folder.write("agent.py", AGENT + "import goods, packaged\n")
    assert await folder.opened(dependencies=[".", "../library", "../packaged", "langgraph>=1"])


async def test_what_is_not_honoured_is_named_in_one_line(folder: Folder) -> None:
    with structlog.testing.capture_logs() as logs:
        await folder.opened(
            **{"$schema": "x", "python_version": "3.12", "http": {"app": "a:b"}, "what": 1},
            dependencies=[".", "no-such-distribution==1", "langgraph"],
        )
    [line] = logs
    assert line["keys"] == ["python_version", "http", "what"]
    assert line["not_installed"] == ["no-such-distribution==1"]


async def test_a_project_that_asks_for_nothing_more_says_nothing(folder: Folder) -> None:
    with structlog.testing.capture_logs() as logs:
        await folder.opened(dependencies=["."], env={})
    assert logs == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"graphs": {}}, "graphs names no graph"),
        ({"graphs": {"a": 7}}, "graphs.a has no path: expected file.py:name, module:name, or {path: ...}"),
        ({"graphs": {"a": "agent.py"}}, "graphs.a: 'agent.py' is not of the form"),
        ({"graphs": {"a": "./agent.ts:graph"}}, "graphs.a: './agent.ts:graph' is JavaScript"),
        ({"graphs": {"a": "./no.py:graph"}}, "graphs.a: './no.py:graph' is not there: there is no file"),
        ({"graphs": {"a": "./agent.py:no"}}, "graphs.a: './agent.py:no' is not there: agent.py has no no"),
        ({"graphs": {"a": "no.module:x"}}, "graphs.a: 'no.module:x' can't be imported (no.module)"),
        (
            {"graphs": {"a b": "./agent.py:graph"}},
            "graphs.a b: './agent.py:graph' gives a name that no agent",
        ),
        ({"env": ["KEY"]}, "env is neither a mapping of variables nor the path of a file"),
        ({"env": {"KEY": 4711}}, "env.KEY is a number, and not a text"),
        ({"env": ".env"}, "env names '.env', and there is no such file"),
        ({"dependencies": "."}, "dependencies is not a list of texts"),
        ({"dependencies": ["./no"]}, "dependencies names './no', and there is no such folder"),
    ],
)
async def test_a_fault_is_told_with_its_file_its_key_and_its_cause(
    folder: Folder, content: dict[str, Any], fault: str
) -> None:
    [told] = await folder.faults(**content)
    assert told.startswith(fault)


async def test_all_faults_are_told_at_once(folder: Folder) -> None:
    assert len(await folder.faults(graphs={"a": "./x.py:y", "b": "z"}, env=1, dependencies=1)) == 4


@pytest.mark.parametrize(
    ("content", "fault"),
    [("{", "is no JSON: "), ("[]", "is no JSON object"), (None, "can't be read: No such file")],
)
async def test_a_file_that_can_not_be_read_is_told(folder: Folder, content: str | None, fault: str) -> None:
    if content is not None:
        folder.json.write_text(content)
    with pytest.raises(SettingsError) as refused:
        await open_graphs([str(folder.json)], {})
    [told] = refused.value.faults
    assert told.startswith(f"CONTINUO_GRAPHS: {folder.json}: {fault}")


async def test_a_factory_is_called_at_start_and_its_error_told_with_its_place(folder: Folder) -> None:
    folder.write("agent.py", "async def graph(config):\n    raise KeyError('BANK_KEY')\n")
    [told] = await folder.faults()
    assert told == (
        "graphs.a: './agent.py:graph' raised when it was called: KeyError: 'BANK_KEY' (at project/agent.py:2)"
    )


async def test_a_factory_that_makes_nothing_for_too_long_is_told(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "PROBE_S", 0.01)
    folder.write("agent.py", "import asyncio\nasync def graph():\n    await asyncio.Event().wait()\n")
    [told] = await folder.faults()
    assert told == "graphs.a: './agent.py:graph' made no graph within 0 s"


async def test_the_example_for_a_cluster_is_a_project_too() -> None:
    sources = await open_graphs([str(EXAMPLE / "langgraph.json")], {})
    assert list(sources) == ["assistant", "echo"]
    assert ("my_agents.graphs", "Tally") in sources["assistant"].types  # type: ignore[index]


async def test_data_types_of_the_projects_own_modules_may_stand_in_its_threads(folder: Folder) -> None:
    folder.write(
        "agent.py",
        AGENT + "import dataclasses, enum\n@dataclasses.dataclass\nclass Good: ...\n"
        "class Kind(enum.Enum): ONE = 1\nclass Plain: ...\n",
    )
    [source] = (await folder.opened()).values()
    assert {("agent", "Good"), ("agent", "Kind")} <= source.types
    assert ("agent", "Plain") not in source.types
