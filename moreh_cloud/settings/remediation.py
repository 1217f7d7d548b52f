"""Repairs: how patiently nodes are waited for."""

from . import env

MOREH_REPAIRS_AT_ONCE = env.number("MOREH_REPAIRS_AT_ONCE", 100, least=1, most=10_000)
MOREH_REPAIR_ORDER_TIMEOUT = env.seconds("MOREH_REPAIR_ORDER_TIMEOUT", 600)
MOREH_REPAIR_BOOT_TIMEOUT = env.seconds("MOREH_REPAIR_BOOT_TIMEOUT", 900)
MOREH_REPAIR_SETTLE = env.seconds("MOREH_REPAIR_SETTLE", 90)
