import gc


def settle() -> None:
    """Keep what a process has loaded out of every later garbage collection; call it once, when all is loaded.

    Ten thousand new objects set off collections that look at all of Django again and again: half of the time of a
    list of 20,000 objects, four fifths of that of a plan.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 50)
