"""Version 1 of the protocol (package moreh.sdamanager.v1)."""
