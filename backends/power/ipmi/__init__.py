"""IPMI 2.0 over RMCP+. This module holds what the server needs to know of it, without its libraries."""

from backends.power.driver import LoginBytes

LOGIN_BYTES = LoginBytes(user=16, password=20)  # IPMI 2.0, 22.28 and 22.30
