"""Formats of the times and days that Django writes by itself; the same in every language."""
