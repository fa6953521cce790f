"""Which disk a group starts again with."""

import os
from pathlib import Path

import pytest

from services.local.lastmaster import (
    AOF_FOLDER,
    ASIDE,
    DATA_SERVERS,
    MANIFEST,
    forget_aside,
    is_whole,
    last_master,
    remember_ports,
)
from services.local.servers import MASTER_NAME

PORTS = dict(zip((*DATA_SERVERS, "sentinel-1"), range(7001, 7005), strict=True))


def written(folder: Path, server: str, file: str, at: int) -> None:
    path = folder / server / AOF_FOLDER / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """Three disks that wrote in the order of their names; the Sentinel names the last."""
    remember_ports(tmp_path, PORTS)
    for at, name in enumerate(DATA_SERVERS):
        written(tmp_path, name, MANIFEST, at=10)
        written(tmp_path, name, "appendonly.aof.1.incr.aof", at=20 + at)
    (tmp_path / "sentinel-1").mkdir()
    named = f"sentinel monitor {MASTER_NAME} 127.0.0.1 {PORTS['redis-3']} 2\n"
    (tmp_path / "sentinel-1/server.conf").write_text(named)
    return tmp_path


def test_the_last_master_is_the_one_the_sentinels_named(group: Path) -> None:
    assert last_master(group) == "redis-3"
    assert last_master(group / "empty") == "redis-1"


def test_in_place_of_one_that_had_not_written_its_copy_down_the_one_that_wrote_last_begins(
    group: Path,
) -> None:
    written(group, "redis-3", ASIDE, at=30)
    assert last_master(group) == "redis-2"
    written(group, "redis-2", ASIDE, at=30)
    assert last_master(group) == "redis-1"


def test_when_no_disk_is_whole_the_sentinels_word_holds(group: Path) -> None:
    for name in DATA_SERVERS:
        written(group, name, ASIDE, at=30)
    assert last_master(group) == "redis-3"


def test_what_an_earlier_stop_left_behind_says_nothing(group: Path) -> None:
    written(group, "redis-3", ASIDE, at=5)
    assert is_whole(group / "redis-3")


def test_what_a_master_starts_with_is_the_truth(group: Path) -> None:
    written(group, "redis-3", ASIDE, at=30)
    forget_aside(group / "redis-3")
    assert is_whole(group / "redis-3")
    forget_aside(group / "redis-2")
