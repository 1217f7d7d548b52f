"""`manage.py up`: every part of the product as a process of its own, watched by one that stays small.

The supervisor has no Django: `manage.py up` reads the settings and becomes it.
"""
