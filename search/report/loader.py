"""Read a run folder for looking at it: what is damaged is left out and told, the rest is shown.

A search refuses a damaged folder, for it would build on it; who looks wants to see what there is.
"""

import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError
from captcha_models.renamed import renamed
from search.store.jsonl import check_version
from search.store.leaderboard import METRICS
from search.store.predictions import Readings, read_readings
from search.store.records import Records, read_run_file

LOOKS = "test-looks.jsonl"
_TRIAL = {"baseline": False, "seed": None, "started": None, "ended": None, "epochs": 0}
_TRIAL |= {"error": None, "reason": None}
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_INTERVAL = ("mean", "low", "high")
_PARTS = ("data", "split", "versions", "hardware")


@dataclass(frozen=True)
class Run:
    """All that is known of a run.

    Attributes:
        records: trials and epochs.
        readings: what the trials read of the validation images.
        fits: rows of its confirmation that succeeded, by space and candidate, test fits left out.
        confirmed: confirmed/SPACE.json by space.
        looks: the looks at the locked test set that this run took.
        notes: in words, what is damaged or missing.
    """

    records: Records
    readings: Readings
    fits: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    confirmed: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """run.json."""
        return self.records.run

    @property
    def spaces(self) -> tuple[str, ...]:
        """Names of the spaces."""
        return tuple(self.about["spaces"])


def read(path: Path) -> Run:
    """Read a run folder, also a damaged one, or one that a search is writing.

    Raises:
        InputError: no run.json, one that cannot be read, or another version's.
    """
    notes: list[str] = []
    records = Records(path, _run_file(path, notes), {}, {})
    for row in _rows(path / "trials.jsonl", notes):
        _add_trial(records, row, notes)
    for row in _rows(path / "epochs.jsonl", notes):
        _add_epoch(records, row, notes)
    readings = read_readings(path)
    _check_study(path / "study.db", notes)
    fits, confirmed = _confirmation(path / "confirmed", tuple(records.run["spaces"]), notes)
    looks = [
        row
        for row in _rows(path.resolve().parent / LOOKS, notes, needed=False)
        if row.get("event") == "look" and Path(str(row.get("run"))).name == path.resolve().name
    ]
    told = tuple(dict.fromkeys([*notes, *readings.notes]))
    return Run(records, readings, fits, confirmed, looks, told)


def number(value: object) -> float | int | None:
    """A finite number as it is; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None


def clean(value: Any) -> Any:
    """What was parsed, without what can be neither reckoned with nor shown.

    Numbers that are not finite become None; control characters, with which a text could write
    anywhere on a terminal, and halves of characters, which no file takes, become question marks.
    """
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clean(v) for v in value]
    if isinstance(value, str):
        return _ODD.sub("?", value)
    return (
        number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    )


def _run_file(path: Path, notes: list[str]) -> dict[str, Any]:
    run: dict[str, Any] = clean(read_run_file(path))
    settings, spaces = run.get("settings"), run.get("spaces")
    if not isinstance(settings, dict) or not isinstance(spaces, dict):
        raise InputError(f"{path} is damaged: its run.json names no settings or no spaces")
    settings.setdefault("objective", "nll")
    for part in _PARTS:
        if not isinstance(run.get(part), dict):
            notes.append(f"run.json says nothing of {part}")
            run[part] = {}
    if not isinstance(run.get("sittings"), list):
        run["sittings"] = []
    run["sittings"] = [one for one in run["sittings"] if isinstance(one, dict)]
    for name, saved in spaces.items():
        space = saved.get("space") if isinstance(saved, dict) else None
        if not isinstance(space, dict):
            notes.append(f"run.json does not say what varied in {name}")
            space = {}
        parts = {k: space.get(k) for k in ("baseline", "fixed", "parameters")}
        kept = {k: part if isinstance(part, dict) else {} for k, part in parts.items()}
        kept["parameters"] = {k: v for k, v in kept["parameters"].items() if _known(v)}
        base = saved.get("base", {}) if isinstance(saved, dict) else {}
        spaces[name] = {"base": base, "space": {**space, **kept}}
    return run


def _known(parameter: Any) -> bool:
    """Whether a parameter's range is told as `Space.to_json` does."""
    ranges = parameter.get("attributes") if isinstance(parameter, dict) else None
    return (
        isinstance(ranges, dict)
        and isinstance(parameter.get("name"), str)
        and isinstance(ranges.get("choices", []), list)
    )


def _rows(path: Path, notes: list[str], *, needed: bool = True) -> Iterator[dict[str, Any]]:
    """Rows of a table; those that are none are counted in a note. A line begun is no row yet."""
    try:
        data = path.read_bytes()
    except OSError as error:
        if needed:
            notes.append(f"{path.name} cannot be read ({error.strerror}): its rows are missing")
        return
    bad = 0
    for i, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines()):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            bad += 1
        elif i == 0 and "version" in row:
            try:
                check_version(path, row)
            except InputError as error:
                if needed:
                    raise
                notes.append(f"{error}; left out")
                return
        else:
            yield renamed(clean(row))
    if bad:
        notes.append(f"{path.name}: {bad} damaged line(s) left out")


def _add_trial(records: Records, row: dict[str, Any], notes: list[str]) -> None:
    kinds = {"trial": str, "space": str, "number": int, "state": str, "config": dict}
    if not all(isinstance(row.get(k), kind) for k, kind in kinds.items()):
        notes.append("trials.jsonl: row(s) without a trial's name, space or state left out")
    elif row["space"] not in records.run["spaces"]:
        notes.append(f"trials.jsonl: {row['trial']} is of a space that run.json does not know")
    else:
        records.add_trial({**_TRIAL, **row})


def _add_epoch(records: Records, row: dict[str, Any], notes: list[str]) -> None:
    epoch = row.get("epoch")
    if not isinstance(epoch, int) or epoch < 1 or not isinstance(row.get("trial"), str):
        notes.append("epochs.jsonl: row(s) without a trial or an epoch left out")
    elif row["trial"] in records.trials:
        figures = {name: number(row.get(name)) for name in (*METRICS, "lr", "temperature")}
        records.add_epoch({"device": None, **row, **figures, "checkpoint": row.get("checkpoint")})


def _check_study(path: Path, notes: list[str]) -> None:
    """Tell if Optuna's database is damaged; what is shown here is reckoned from the tables."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("select count(*) from trials").fetchone()
    except sqlite3.Error as error:
        # Locked by a search, or in a folder that may only be read: nothing of that is damage.
        harmless = isinstance(error, sqlite3.OperationalError) and "no such" not in str(error)
        if not harmless:
            notes.append(
                f"study.db cannot be read ({error}): nothing shown here needs it, but "
                "optuna-dashboard and --resume do"
            )


def _confirmation(
    folder: Path, spaces: tuple[str, ...], notes: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    fits: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in _rows(folder / "fits.jsonl", notes, needed=False):
        if row.get("error") is None and row.get("fold") is not None and _scored(row):
            fits.setdefault(str(row.get("arch")), {}).setdefault(row["name"], []).append(row)
    confirmed = {}
    for name in spaces:
        try:
            text = (folder / f"{name}.json").read_text(encoding="utf-8")
        except OSError:
            continue
        try:
            found = clean(json.loads(text))
            _check_confirmed(found := renamed(found) if isinstance(found, dict) else found)
            confirmed[name] = found
        except (ValueError, KeyError, TypeError, RecursionError):
            notes.append(f"confirmed/{name}.json is damaged and left out")
    return fits, confirmed


def _check_confirmed(found: Any) -> None:
    """Raise one of the usual errors if what search.confirm found is not told in full."""
    for key, kind in {"candidates": list, "chosen": str | None, "test": dict | None}.items():
        if not isinstance(found[key], kind):
            raise TypeError(key)
    tested = [found["test"]["winner"]] if found["test"] else []
    for one in [*found["candidates"], *tested]:
        for key in ("nll", "exact_match", "gap"):
            if key in one and any(number(one[key][part]) is None for part in _INTERVAL):
                raise ValueError(key)


def _scored(row: Mapping[str, Any]) -> bool:
    lists = [row.get(name) for name in ("images", "labels", "nlls", "read")]
    figures = [
        row.get(k) for k in ("train_nll", "nll_raw", "images_seen", "seconds", "temperature")
    ]
    return (
        isinstance(row.get("name"), str)
        and all(isinstance(one, list) and one for one in lists)
        and len({len(one) for one in lists if one}) == 1
        and all(number(one) is not None for one in [*figures, *(row["nlls"])])
        and all(k in row for k in ("folds", "split_seed", "seed", "limit_train", "parameters"))
    )
