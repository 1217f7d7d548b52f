"""Programs that talk to the SDAManager from VMs and nodes. They import only the protocol and no Django."""

__version__ = "0.1.0"
