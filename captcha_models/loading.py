"""Loading of large packages, meanwhile without a look for garbage.

torch and fastai make a million objects that stay. Python's garbage collector goes through them
again and again while they grow, and finds nothing: a sixth of the time that loading takes.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Import in this block what is large; garbage is collected as before when it ends.

    Threads that load at the same time are no error: the collector is on when both have ended.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
