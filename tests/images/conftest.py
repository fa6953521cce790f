"""The images, built once, and containers of them, restricted as pods are. Only for `make images-test`."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import redis
from tests.images.containers import HOUSE, Containers


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if "images" in str(config.option.markexpr or "") else True


@pytest.fixture(scope="session")
def base() -> str:
    """The base of all images, which are built of the source as it stands."""
    build = subprocess.run([HOUSE / "k8s/images/build"], stderr=subprocess.PIPE, text=True, check=False)
    assert build.returncode == 0, build.stderr
    [base] = re.findall(r"^building .* on (\S+)$", build.stderr, re.MULTILINE)
    return str(base)


@pytest.fixture(scope="session")
def containers(base: str) -> Iterator[Containers]:
    """A network of this run's own; nothing of it is left behind."""
    with Containers() as containers:
        yield containers


@pytest.fixture(scope="session")
def data(containers: Containers) -> None:
    """A master with two replicas, and three Sentinels that know them."""
    redis.start(containers)
