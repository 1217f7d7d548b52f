"""Programs that talk to the SDAManager from VMs and nodes. They import only the protocol and no Django."""

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # a person at a terminal reads our words, not the transport's

__version__ = "0.1.0"
