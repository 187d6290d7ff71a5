"""Full disk, kept apart from all other errors: it stops the search, and no trial fails by it."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from captcha_models.errors import InputError, one_line
from search.store.records import resume_command

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_MARKS = ("status 507", "StorageFull", "QuotaExceeded", "storageQuota")
"""In what pyarrow says of an object storage that takes no more."""


def is_full(error: BaseException) -> bool:
    """Whether an error came of a full disk, a quota or a limit on the size of files."""
    return any(
        isinstance(one, OSError)
        and (one.errno in _FULL or any(mark in str(one) for mark in _FULL_MARKS))
        for one in _chain(error)
    )


@contextmanager
def writing(run: Path, again: str | None = None) -> Iterator[None]:
    """While a run folder is written: say in one line that it cannot be, and what to do.

    Args:
        run: the folder.
        again: what goes on; by default the command that resumes a search.

    Raises:
        InputError: in the place of whatever a file or the study's database raised, or Ray and
            Optuna made of it.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        for one in _chain(error):
            if isinstance(one, InputError):
                raise one from error
            if isinstance(one, OSError | sqlite3.OperationalError):
                remedy = "make room" if is_full(error) else "see to the reason"
                raise InputError(
                    f"{run} cannot be written: {one_line(one)}; nothing that was recorded is lost: "
                    f"{remedy}, then go on with {again or resume_command(run)}"
                ) from error
        raise


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came of, the last first."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
