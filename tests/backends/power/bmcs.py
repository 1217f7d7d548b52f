"""Simulated BMCs in a process of their own, whose books are the witnesses."""

import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from backends.power.driver import BmcAddress, BmcLogin

TOGETHER = 40  # the first ones are for tests that need many at once and leave them as they were
USER, PASSWORD = b"admin", b"correct horse"


@dataclass(frozen=True)
class Bmc:
    """One simulated BMC: its login, its faults and its book."""

    fleet: "Fleet"
    index: int
    address: BmcAddress

    @property
    def login(self) -> BmcLogin:
        return BmcLogin(self.address, USER, PASSWORD)

    def fails(self, **faults: Any) -> "Bmc":
        self.fleet.tell({"do": "faults", "bmc": self.index, "set": faults})
        return self

    def change_password(self, password: str) -> None:
        self.fleet.tell({"do": "password", "bmc": self.index, "password": password})

    def executed(self) -> dict[str, int]:
        """How often each chassis control was carried out."""
        return dict(Counter(line["command"] for line in self._book()["book"]))

    def state(self) -> str:
        return str(self._book()["state"])

    def logins(self) -> int:
        return int(self._book()["logins"])

    def _book(self) -> dict[str, Any]:
        return self.fleet.tell({"do": "book", "bmc": self.index})


class Fleet:
    """A running simulator process."""

    def __init__(self, count: int, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backends.power.simulator", "--count", str(count), "--first-port", "0", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        addresses = self.tell({"user": USER.decode(), "password": PASSWORD.decode()})["addresses"]
        self.bmcs = [Bmc(self, index, BmcAddress(*address)) for index, address in enumerate(addresses)]
        self.together = self.bmcs[:TOGETHER]
        self._fresh = itertools.count(TOGETHER)

    def take(self, count: int) -> list[Bmc]:
        """Hand out BMCs that no test has used."""
        return [self.bmcs[next(self._fresh)] for _ in range(count)]

    def one(self) -> Bmc:
        return self.take(1)[0]

    def tell(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
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
    """Find a program written elsewhere; fail when it is missing, for a test that is skipped proves nothing."""
    path = shutil.which(tool, path="/usr/bin:/usr/sbin:/usr/local/bin")
    assert path, f"{tool} is missing: install Debian's package {package}"
    return path
