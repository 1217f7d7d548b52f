"""Closed hours, days and months: how their rows are written, and how they are read instead of the allocations."""
