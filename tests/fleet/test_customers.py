"""The jobs of simulated customers: most are short, some outlive the loss of their node."""

import random
from pathlib import Path

from clients.channel import Server
from fleet.customers import LONG, SHORT, Customers
from fleet.roster import Customer


def test_some_jobs_run_longer_than_a_silent_node_takes_to_be_lost(tmp_path: Path) -> None:
    customers = Customers([], Server("127.0.0.1:1"), tmp_path)
    customers._random = random.Random(7)  # noqa: S311 - reproducible
    customer = Customer(name="a", token="t", devices=1, weight=1)
    lengths = [customers._new_job(customer).seconds for _ in range(1000)]
    long = [one for one in lengths if LONG[0] <= one <= LONG[1]]
    short = [one for one in lengths if SHORT[0] <= one <= SHORT[1]]
    assert (len(long), len(short)) == (93, 907)
    assert min(long) > 90
