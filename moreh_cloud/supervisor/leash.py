"""Becomes another program that the kernel kills when the supervisor dies: `leash.py SUPERVISOR-PID PROGRAM …`.

Run as a file by `python -IS`: it must be up in milliseconds and import nothing of the product.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    with suppress(AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The supervisor died before this part began.")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - that is its purpose
