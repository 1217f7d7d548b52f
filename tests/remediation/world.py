"""A fleet of simulated nodes in one process: random faults, jobs, and agents that carry out orders."""

import random
from collections.abc import Collection
from pathlib import Path

from backends.choices import OrderVerb, PowerStatus, Verdict
from backends.health.findings import REPORTED, kind_of
from backends.models import Agent, Backend, Bmc, Device, Order, PowerAction
from backends.services.findings import ReportedFact
from backends.services.power import end_action, lease_action
from clients.agent.devices.facts import Code
from core.clock import db_now
from fleet.faults import FAULTS, FaultBook, Mend
from fleet.faults.table import FaultEffect
from scheduler.models import Worker
from scheduler.queries.jobs import jobs_on
from scheduler.services import health
from scheduler.services.checks import CheckResult
from scheduler.services.workers import lose_worker, take_result
from tests import make

DEVICES = 4
FAILS_CHECK = (FaultEffect.FAILS_CHECK, FaultEffect.SILENT)


class SimulatedNode:
    """A node: its faults are in a book, as those of the simulated fleet."""

    def __init__(self, folder: Path) -> None:
        self.row: Backend = make.ready_backend(DEVICES)
        self.book = FaultBook(folder / self.row.name)
        self.boots = 1
        Agent.objects.filter(pk=self.row.pk).update(boot_id="boot 1")

    def faults(self) -> dict[int, list[str]]:
        """Return the faults by device."""
        found: dict[int, list[str]] = {}
        for one in self.book.read().faults:
            found.setdefault(one.device, []).append(one.fault)
        return found

    def bad(self) -> set[int]:
        """Return the devices that fail the health check."""
        return {
            device
            for device, faults in self.faults().items()
            if any(FAULTS[one].effect in FAILS_CHECK or FAULTS[one].stops_work for one in faults)
        }

    def failed(self) -> set[int]:
        """Return the devices that have failed: by what is reported, or by a check."""
        found = {
            device
            for device, faults in self.faults().items()
            for fault in faults
            for code, number in FAULTS[fault].facts
            if kind_of(Code.Code.Name(code), number).verdict == Verdict.FAILED
        }
        return found | self.bad()

    def stopped(self) -> set[int]:
        """Return the devices on which no worker can run."""
        return {device for device, faults in self.faults().items() if any(FAULTS[one].stops_work for one in faults)}

    def keeping_processes(self) -> set[int]:
        """Return the devices that cannot be cleaned."""
        found = self.faults().items()
        return {at for at, faults in found if any(FAULTS[one].effect is FaultEffect.KEEPS_PROCESSES for one in faults)}

    def strike(self, device: int, fault: str) -> None:
        """Let a device have a fault: it is reported first, then its worker dies, as a real agent does it."""
        self.book.add(device, fault)
        self.report()
        if FAULTS[fault].stops_work:
            for worker in Worker.objects.filter(backend=self.row, state__in=("STARTING", "RUNNING")):
                if device in worker.devices:
                    lose_worker(self.row, worker.pk, error="the simulated worker died")

    def report(self) -> None:
        """Report what is wrong with each device."""
        faults = self.faults()
        facts = {
            device.pk: [
                ReportedFact(Code.Code.Name(code), number, 1)
                for fault in faults.get(device.index, [])
                for code, number in FAULTS[fault].facts
            ]
            for device in Device.objects.filter(backend=self.row)
        }
        health.store_findings(facts, codes=REPORTED)

    def answer(self) -> int:
        """Carry out all orders; return how many there were."""
        done = 0
        while found := list(make.orders(self.row)):
            for order in found:
                self._carry_out(order)
                done += 1
        return done

    def _carry_out(self, order: Order) -> None:
        if order.verb == OrderVerb.START:
            worker = Worker.objects.get(pk=order.ref or 0)
            broken = self.stopped() & set(worker.devices)
            self._result(order, ok=not broken, error=f"device {broken} does not work" if broken else "")
        elif order.verb == OrderVerb.CHECK and order.devices:
            bad = self.bad() & set(order.devices)
            self._result(order, failed=bad, error="memory test failed" if bad else "")
        elif order.verb == OrderVerb.REBOOT:
            self.book.mend(Mend.REBOOT)
            self._result(order)
            self.boot()
        elif order.verb == OrderVerb.CLEAN and (stuck := self.keeping_processes() & set(order.devices)):
            self._result(order, ok=False, error=f"a process on device {min(stuck)} cannot be ended")
        else:
            mend = {OrderVerb.CLEAN: Mend.CLEAN, OrderVerb.RESET: Mend.RESET}.get(OrderVerb(order.verb))
            if mend:
                self.book.mend(mend, order.devices)
                self.report()
            self._result(order)

    def _result(self, order: Order, *, ok: bool = True, failed: Collection[int] = (), error: str = "") -> None:
        checked = CheckResult(sorted(failed), whole=order.verb == OrderVerb.CHECK and not order.devices)
        take_result(self.row, order.pk, ok=ok, error=error, address="10.0.0.1:30000", checked=checked)

    def boot(self) -> None:
        """Start anew: hello, with another boot id."""
        self.boots += 1
        make.hello(self.row, DEVICES, boot=Agent.objects.get(pk=self.row.pk).boot + 1)
        Agent.objects.filter(pk=self.row.pk).update(boot_id=f"boot {self.boots}", last_seen=db_now())
        self.report()

    def power(self) -> None:
        """Carry out the power cycles that are asked for."""
        for action in PowerAction.objects.filter(backend=self.row, state="QUEUED"):
            assert not jobs_on(list(self.row.devices.values_list("pk", flat=True))).exists()
            lease = lease_action(action.pk)
            assert lease
            self.book.mend(Mend.POWER_CYCLE)
            Bmc.objects.filter(pk=self.row.pk).update(status=PowerStatus.ON)
            end_action(lease, "SUCCEEDED")  # type: ignore[arg-type]
            self.boot()


def struck(nodes: list[SimulatedNode], chance: random.Random, kinds: list[str]) -> tuple[SimulatedNode, int, str]:
    """Let a device that has no fault have one."""
    while True:
        node, device = chance.choice(nodes), chance.randrange(DEVICES)
        if device not in node.faults():
            fault = kinds.pop()
            node.strike(device, fault)
            return node, device, fault
