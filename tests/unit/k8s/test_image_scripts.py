"""What goes into an image: which wheels, which requirements, and what is taken out of a base."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from k8s.images.bare import add_user, strip
from k8s.images.install import requirements
from k8s.images.wheels import EXTRAS, Target, declared, pins, wanted_by

HOUSE = Path(__file__).parents[3]

SAID = {
    "glibc": "2.41",
    "python": [3, 13],
    "markers": {
        "implementation_name": "cpython",
        "implementation_version": "3.13.5",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.13.5",
        "platform_python_implementation": "CPython",
        "python_version": "3.13",
        "sys_platform": "linux",
    },
}


def test_a_wheels_wants_are_judged_by_the_bases_python_not_by_ours() -> None:
    lines = [
        "plain>=1",
        'older; python_version < "3.13"',
        'here; python_version >= "3.13" and sys_platform == "linux"',
        'extra-only; extra == "crypto"',
    ]
    found = [each.name for each in wanted_by(Requirement("x"), lines, Target.of(SAID))]
    assert found == ["plain", "here"]
    found = [each.name for each in wanted_by(Requirement("x[crypto]"), lines, Target.of(SAID))]
    assert found == ["plain", "here", "extra-only"]


def test_a_wheel_is_fit_for_the_bases_python_machine_and_c_library() -> None:
    tags = {str(tag) for tag in Target.of(SAID).tags()}
    assert {"cp313-cp313-manylinux_2_41_x86_64", "cp313-cp313-manylinux2014_x86_64", "py3-none-any"} <= tags
    assert {"cp39-abi3-manylinux_2_28_x86_64", "py3-none-manylinux_2_17_x86_64"} <= tags
    assert not tags & {"cp311-cp311-manylinux2014_x86_64", "cp313-cp313-manylinux_2_42_x86_64"}


def test_pins_are_found_by_any_spelling_of_a_name() -> None:
    assert pins("# what is pinned==0\nPyJWT==2.1\ntyping_extensions==4\n") == {
        "pyjwt": "2.1",
        "typing-extensions": "4",
    }


def test_an_extra_brings_those_of_the_project_that_it_names() -> None:
    project = {
        "dependencies": ["base"],
        "optional-dependencies": {"one": ["a"], "two": ["b"], "both": ["continuo-server[one,two]", "c"]},
    }
    assert set(requirements({"project": project}, ["one"])) == {"base", "a"}
    assert set(requirements({"project": project}, ["both"])) == {"base", "a", "b", "c"}
    with pytest.raises(KeyError):
        list(requirements({"project": project}, ["three"]))


def test_wheels_are_fetched_of_what_others_make_and_of_nothing_that_is_the_projects_own() -> None:
    options = {"one": ["continuo-server[two]", "a"], "two": ["b"]}
    project = {"dependencies": ["base"], "optional-dependencies": options}
    assert declared({"project": project}, ["one", "two"]) == ["base", "a", "b"]


def test_every_extra_that_an_image_brings_along_is_fetched() -> None:
    pyproject = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    wanted = set(requirements(pyproject, [extra for extra in EXTRAS if extra != "tracing"]))
    assert wanted == set(declared(pyproject, EXTRAS))


def test_a_base_keeps_its_interpreter_libraries_and_certificates_and_loses_the_rest(tmp_path: Path) -> None:
    kept = [
        "usr/bin/python3",
        "usr/bin/python3.13",
        "usr/lib/python3.13/os.py",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
    ]
    kept += ["usr/share/ca-certificates/a.crt", "usr/share/zoneinfo/UTC", "var/lib/dpkg/status", "etc/passwd"]
    gone = [
        "usr/bin/bash",
        "usr/bin/dash",
        "usr/sbin/useradd",
        "usr/bin/perl",
        "usr/local/bin/pip",
        "var/lib/apt/lists/x",
    ]
    gone += ["usr/lib/python3.13/ensurepip/pip.whl", "usr/share/python-wheels/pip.whl", "root/.bashrc"]
    for name in [*kept, *gone, "etc/group"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    add_user(tmp_path)
    strip(tmp_path)
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in [*gone, "bin/sh"] if (tmp_path / name).exists()] == []
    assert not (tmp_path / "usr/bin/sh").is_symlink()
    assert ":10001:10001:" in (tmp_path / "etc/passwd").read_text()
