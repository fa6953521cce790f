"""Facts about the tree that no linter knows."""

import re
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
SKIPPED = {".git", ".venv", ".continuo", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", "dist"}
SKIPPED |= {".pytest_cache", ".hypothesis", ".import_linter_cache"}
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npmjs" + ".org", "deb.debian" + ".org"]
OUR_MACHINES = [r"/root/", r"/home/\w", r"/work/", r"/Users/\w"]


def files() -> list[Path]:
    """What belongs to the project: what is tracked, or without history, all that no tool made."""
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=True)
        return [path for name in listed.stdout.splitlines() if (path := HOUSE / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        found = (path for path in HOUSE.rglob("*") if not SKIPPED & set(path.relative_to(HOUSE).parts))
        return [path for path in found if path.is_file()]


def texts() -> dict[str, str]:
    return {str(path.relative_to(HOUSE)): path.read_text(errors="replace") for path in files()}


def test_the_operators_folder_does_not_shadow_the_standard_library():
    assert not (HOUSE / "operator/__init__.py").exists()


def test_tests_are_no_packages():
    assert list((HOUSE / "tests").rglob("__init__.py")) == []


def test_every_test_module_has_a_name_of_its_own():
    names = [path.name for path in files() if path.name.startswith("test_") and path.suffix == ".py"]
    assert {name for name in names if names.count(name) > 1} == set()


def test_a_slow_test_is_marked_in_its_own_file():
    """By these words it is found without reading the others (tests/conftest.py)."""
    marking = [path.name for path in files() if path.suffix == ".py" and "mark.slow" in path.read_text()]
    assert {name for name in marking if not name.startswith("test_")} == {"conftest.py"}
    spelled = re.compile(r"\bimport .*\bmark\b|getattr\(.*mark\b")
    assert [path.name for path in files() if path.suffix == ".py" and spelled.search(path.read_text())] == []


def test_every_package_under_services_has_an_init_with_its_law():
    folders = {path.parent for path in files() if "services" in path.parts and path.suffix == ".py"}
    bare = {folder for folder in folders if not (folder / "__init__.py").read_text().startswith('"""')}
    assert bare == set()


@pytest.mark.parametrize("pattern", [*map(re.escape, REGISTRIES), *OUR_MACHINES])
def test_no_file_names_a_registry_or_a_path_of_somebodys_machine(pattern: str):
    naming = [name for name, text in texts().items() if re.search(rf"(?<![\w.]){pattern}", text)]
    assert [name for name in naming if name != "tests/unit/house/test_tree.py"] == []


def test_every_script_says_its_keys_arguments_and_reply():
    """A script's header is its signature; a chunk that others include says so instead."""
    scripts = sorted((HOUSE / "services/shared/bus/lua").glob("*.lua"))
    assert scripts
    for script in scripts:
        header = re.match(r"(--[^\n]*\n)+", script.read_text())
        assert header, script.name
        words = header.group().lower()
        assert words.startswith(f"-- {script.stem}:"), script.name
        assert "chunk" in words or all(word in words for word in ("keys", "argv", "reply")), script.name


def test_every_version_is_pinned_once():
    lines = (HOUSE / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;]+", pin) for pin in pins)
    names = [re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins]
    assert len(names) == len(set(names))
