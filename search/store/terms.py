"""Terms of a stored run: a folder for each driver that has written it, numbered without a gap.

copy/TERM/lease.json    who holds the run from here on; the storage lets one driver create it
copy/TERM/...           all that this driver writes: one that is late writes where nobody looks
"""

import getpass
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from captcha_models.errors import InputError
from search.store.records import now
from search.store.storage import Storage


@dataclass(frozen=True)
class Holder:
    """A driver, as another is told of it.

    Attributes:
        since: when it took the run, by its own clock.
        token: that no other driver has.
    """

    user: str
    host: str
    pid: int
    since: str
    token: str

    @classmethod
    def here(cls) -> Self:
        """This process."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # A container's user may have no name.
            user = str(os.getuid())
        return cls(user, socket.gethostname(), os.getpid(), now(), os.urandom(8).hex())

    def __str__(self) -> str:
        since = f"{self.since[:16].replace('T', ' ')} UTC"
        return f"{self.user}@{self.host}, process {self.pid}, since {since}"


def folder(term: int) -> str:
    """What the name of all that is written in a term begins with."""
    return f"copy/{term:06d}"


def exists(store: Storage, term: int) -> bool:
    """Whether a driver has made the term."""
    return store.exists(f"{folder(term)}/lease.json")


def latest(store: Storage) -> int:
    """The highest term, 0 for none; a listing may lag, so it only says where to begin."""
    term = max((int(name) for name in store.names("copy") if name.isdecimal()), default=0)
    while exists(store, term + 1):
        term += 1
    return term


def create(store: Storage, term: int, me: Holder) -> bool:
    """Make a term, unless another driver has; whether it is this driver's.

    Raises:
        OSError: the storage cannot be reached.
        InputError: it would have let another make it, too.
    """
    name, data = f"{folder(term)}/lease.json", json.dumps(asdict(me)).encode()
    if store.create(name, data):
        if store.create(name, data):
            raise InputError(
                f"storage {store.place} writes over what it was asked to keep, so two searches "
                "could write the run at once: give a folder that all machines share, or a store "
                "that knows If-None-Match"
            )
        return True
    with suppress(FileNotFoundError):
        # The answer may have been lost, and the call have been made again.
        return store.read(name) == data
    return False


def holder(store: Storage, term: int) -> str:
    """Who has made a term, for a person."""
    with suppress(OSError, TypeError):
        return str(Holder(**parsed(store.read(f"{folder(term)}/lease.json"))))
    return "another process"


def parsed(data: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none, as of a file that is just being written."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
