"""Signals for the apps above this one."""

from django.dispatch import Signal

token_rotated = Signal()  # token_id: its old value is void; sent within the transaction
