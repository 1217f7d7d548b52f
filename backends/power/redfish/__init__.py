"""Redfish over HTTPS. This module holds what the server needs to know of it, without its libraries."""

from backends.power.driver import LoginBytes

LOGIN_BYTES = LoginBytes(user=128, password=128)  # DSP0268 has no limit, and BMCs have lower ones
