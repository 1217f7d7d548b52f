"""Errors of the console's pages."""


class TooManyBars(Exception):
    """A range has more bars than one timeline draws."""
