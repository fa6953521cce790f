"""The official JavaScript client, as it comes, under Node: tests/e2e/js, each of its tests as one of ours."""

from pathlib import Path

import pytest

from tests.support.house_page import controlled
from tests.support.node import install, names_in, passes
from tests.support.whole_house import SECRET, WholeHouse

SCRIPT = "sdk.test.mjs"
OF_DOINGS = "doings.test.mjs"


@pytest.fixture(scope="session")
def packages() -> None:
    """What package-lock.json names."""
    install()


async def _passes(script: str, name: str, house: WholeHouse, **more: str) -> None:
    addresses = f"{house.address(0)},{house.address(1)}"
    async with controlled(house) as control:
        environ = {"ADDRESSES": addresses, "SECRET": SECRET, "CONTROL": control}
        await passes(script, name, environ | more)


@pytest.mark.parametrize("name", names_in(SCRIPT))
@pytest.mark.usefixtures("packages")
async def test_the_javascript_client(house: WholeHouse, name: str):
    await _passes(SCRIPT, name, house)


@pytest.mark.slow
@pytest.mark.parametrize("name", names_in(OF_DOINGS))
@pytest.mark.usefixtures("packages")
async def test_the_javascript_client_and_what_agents_do(doing_house: WholeHouse, things: Path, name: str):
    await _passes(OF_DOINGS, name, doing_house, THINGS=str(things))
