"""Simulated BMCs in a process of their own, which record the commands that they execute."""

import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from backends.power.driver import BmcAddress
from backends.power.login import BmcLogin

TOGETHER = 40  # the first ones are for tests that need many at once and leave them as they were
USER, PASSWORD = b"admin", b"correct horse"


@dataclass(frozen=True)
class Bmc:
    """One simulated BMC: its login, its faults and the commands that it executed."""

    fleet: "Fleet"
    index: int
    address: BmcAddress

    @property
    def login(self) -> BmcLogin:
        return BmcLogin(self.address, USER, PASSWORD, self.fleet.driver, self.fleet.fingerprint)

    def fails(self, **faults: Any) -> "Bmc":
        """Set faults, as `Faults` names them, and return the BMC."""
        self.fleet.request({"do": "faults", "bmc": self.index, "set": faults})
        return self

    def change_password(self, password: str) -> None:
        self.fleet.request({"do": "password", "bmc": self.index, "password": password})

    def executed(self) -> dict[str, int]:
        """Return how often each chassis control was executed."""
        return dict(Counter(line["command"] for line in self._recorded()["executed"]))

    def state(self) -> str:
        return str(self._recorded()["state"])

    def logins(self) -> int:
        return int(self._recorded()["logins"])

    def sessions(self) -> int:
        return int(self._recorded()["sessions"])

    def _recorded(self) -> dict[str, Any]:
        return self.fleet.request({"do": "executed", "bmc": self.index})


class Fleet:
    """A running simulator process."""

    def __init__(self, count: int, *options: str, driver: str = "ipmi") -> None:
        self.driver = driver
        options = ("--driver", driver, *options)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backends.power.simulator", "--count", str(count), "--first-port", "0", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started = self.request({"user": USER.decode(), "password": PASSWORD.decode()})
        self.fingerprint, self.ca = started["fingerprint"], started["ca"]
        self.bmcs = [Bmc(self, index, BmcAddress(*address)) for index, address in enumerate(started["addresses"])]
        self.together = self.bmcs[:TOGETHER]
        self._fresh = itertools.count(TOGETHER)

    def take(self, count: int) -> list[Bmc]:
        """Return BMCs that no test has used."""
        return [self.bmcs[next(self._fresh)] for _ in range(count)]

    def one(self) -> Bmc:
        """Return a BMC that no test has used."""
        return self.take(1)[0]

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=5)
        self._process.stdout.close()


def need(tool: str, package: str) -> str:
    """Return the path of a program. Fail if it is missing: a skipped test shows nothing."""
    path = shutil.which(tool, path="/usr/bin:/usr/sbin:/usr/local/bin")
    assert path, f"{tool} is missing: install Debian's package {package}"
    return path
