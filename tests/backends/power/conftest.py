from collections.abc import Iterator

import pytest

from backends.power.pool import DriverPool
from tests.backends.power.bmcs import Fleet


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    fleet = Fleet(160)
    yield fleet
    fleet.close()


@pytest.fixture(scope="session")
def redfish() -> Iterator[Fleet]:
    fleet = Fleet(160, driver="redfish")
    yield fleet
    fleet.close()


@pytest.fixture(scope="session")
def pool() -> Iterator[DriverPool]:
    pool = DriverPool()
    yield pool
    pool.close()
