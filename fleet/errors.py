class BooksDiffer(Exception):
    """Device-seconds are missing, or too many."""
