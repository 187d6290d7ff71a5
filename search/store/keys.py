"""Keys of a storage, which no record holds: a person is asked for them, others are told how.

A printed command names no storage with keys; whoever runs it in a terminal is asked for it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captcha_models.cli import ask
from captcha_models.errors import InputError
from captcha_models.secrets import HIDDEN
from search.store.records import read_run_file
from search.store.storage import Storage

VARIABLE = "CAPTCHA_STORAGE"


def keyless(run: Mapping[str, Any]) -> str | None:
    """What `--storage` was, its keys hidden; None where the run is kept without keys.

    Args:
        run: run.json.
    """
    kept = run.get("storage")
    return Storage(kept).parent.place if kept and HIDDEN in kept else None


def storage_of(path: Path) -> str | None:
    """What `--storage` was, asked for where no record holds it; None where nothing is to be asked.

    Args:
        path: the run folder.

    Raises:
        InputError: nobody is there to be asked.
    """
    kept = keyless(read_run_file(path))
    if kept is None:
        return None
    if given := ask(f"{path} is kept in {kept}, its keys in no record; --storage with them"):
        return given
    raise InputError(
        f"{path} is kept in {kept}, and its keys are in no record: put what --storage was into "
        f"{VARIABLE}, then the same command goes on"
    )
