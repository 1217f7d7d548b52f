"""Many BMCs of OpenIPMI's ipmi_sim, one process and one loopback address each; some of them dead."""

import os
import signal
import subprocess
import time
from pathlib import Path

USER, PASSWORD, PORT = "admin", "password", 623
LAN = """name "sim"
set_working_mc 0x20
  startlan 1
    addr {host} {port}
    priv_limit admin
    allowed_auths_admin md5
    guid a123456789abcdefa12345678{index:07x}
  endlan
  startcmd "sleep 100000"
  startnow true
  user 2 true "{user}" "{password}" admin 10 md5
"""
BMC = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"
TOGETHER = 50  # started at once


class Simulators:
    """The running processes, by their place in `hosts`."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self.hosts = [f"127.1.{index // 250}.{index % 250 + 1}" for index in range(count)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        (folder / "bmc.emu").write_text(BMC)
        self.revive()

    def revive(self) -> None:
        """Start those that do not run, and let stopped ones go on."""
        for index in range(len(self.hosts)):
            if process := self._processes.get(index):
                process.send_signal(signal.SIGCONT)
                continue
            self._processes[index] = self._start(index)
            if index % TOGETHER == TOGETHER - 1:
                time.sleep(0.3)
        time.sleep(3)

    def _start(self, index: int) -> "subprocess.Popen[bytes]":
        home = self._folder / str(index)
        (home / "state").mkdir(parents=True, exist_ok=True)
        lan = LAN.format(host=self.hosts[index], port=PORT, index=index, user=USER, password=PASSWORD)
        (home / "lan.conf").write_text(lan)
        files = ["-c", str(home / "lan.conf"), "-f", str(self._folder / "bmc.emu"), "-s", str(home / "state")]
        command = ["ipmi_sim", *files, "-n"]
        nothing = subprocess.DEVNULL
        return subprocess.Popen(
            command, cwd=home, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )

    def close_ports(self, count: int) -> None:
        """End the last `count` processes: their ports are closed."""
        for index in range(len(self.hosts) - count, len(self.hosts)):
            _end(self._processes.pop(index))

    def silence(self, count: int) -> None:
        """Stop the last `count` processes: packets to them get no answer."""
        for index in range(len(self.hosts) - count, len(self.hosts)):
            self._processes[index].send_signal(signal.SIGSTOP)

    def close(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a simulator and the process that stands for the power of its node."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
