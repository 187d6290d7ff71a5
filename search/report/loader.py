"""Run folder loaded for a report: damaged parts are left out and noted, the rest is shown.

A search refuses a damaged folder, since it would build on it; a reader wants to see what there is.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError
from captcha_models.renamed import renamed
from captcha_models.words import counted
from search.confirmation.summary import summarise
from search.confirmation.verdict import verdict_of
from search.store.jsonl import check_version
from search.store.leaderboard import METRICS
from search.store.listed import folder_rows
from search.store.predictions import Predictions, read_predictions
from search.store.records import Records, read_run_file
from search.store.test_set_log import LEDGER_FILE

_TRIAL = {"baseline": False, "seed": None, "started": None, "ended": None, "epochs": 0}
_TRIAL |= {"error": None, "reason": None}
_KINDS = {"trial": str, "space": str, "number": int, "state": str, "config": dict}
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Everything known of a run.

    Attributes:
        records: trials and epochs.
        predictions: what the trials predicted for the validation images.
        fits: successful trainings of the confirmation by space and candidate.
        tested: those of them that were scored on the test set, likewise.
        confirmed: confirmed/SPACE.json by space.
        evaluations: test-set evaluations that this run made.
        notes: what is damaged or missing, in words.
    """

    records: Records
    predictions: Predictions
    fits: dict[str, dict[str, list[Row]]] = field(default_factory=dict)
    tested: dict[str, dict[str, list[Row]]] = field(default_factory=dict)
    confirmed: dict[str, Row] = field(default_factory=dict)
    evaluations: list[Row] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def about(self) -> Row:
        """run.json."""
        return self.records.run

    @property
    def spaces(self) -> tuple[str, ...]:
        """Names of the spaces."""
        return tuple(self.about["spaces"])


def load(path: Path) -> Run:
    """Load a run folder, also a damaged one, or one that a search is writing.

    Raises:
        InputError: no run.json, one that cannot be read, or of another version.
    """
    notes: list[str] = []
    records = Records(path, _run_file(path, notes), {}, {})
    spaces = records.run["spaces"]
    arch_of = {name: saved["space"].get("arch", name) for name, saved in spaces.items()}
    for row in _rows(path / "trials.jsonl", notes):
        if not all(isinstance(row.get(k), kind) for k, kind in _KINDS.items()):
            notes.append("trials.jsonl: a row without a trial's name, space or state left out")
        elif row["space"] not in spaces:
            notes.append(f"trials.jsonl: {row['trial']} is of a space that run.json does not name")
        else:
            records.add_trial({**_TRIAL, **row})
    for row in _rows(path / "epochs.jsonl", notes):
        epoch = row.get("epoch")
        if not isinstance(epoch, int) or epoch < 1 or not isinstance(row.get("trial"), str):
            notes.append("epochs.jsonl: a row without a trial or an epoch left out")
        elif row["trial"] in records.trials:
            figures = {name: number(row.get(name)) for name in (*METRICS, "lr", "temperature")}
            if arch_of.get(records.trials[row["trial"]]["space"]) == "crnn":
                # Version 0.1 recorded it for CTC, too, where positions have no meaning.
                figures["valid_position_accuracy"] = None
            records.add_epoch({"device": None, "checkpoint": None, **row, **figures})
    predictions = read_predictions(path)
    fits: dict[str, dict[str, list[Row]]] = {}
    tested: dict[str, dict[str, list[Row]]] = {}
    for row in _fit_rows(path / "confirmed", notes):
        if row.get("error") is not None or not _scored(row):
            continue
        kind = tested if row.get("fold") is None else fits
        trial = records.trials.get(row["name"])
        for space, arch in arch_of.items():
            if arch == row.get("arch") and (trial is None or trial["space"] == space):
                kind.setdefault(space, {}).setdefault(row["name"], []).append(row)
    place = path.resolve()
    log = _rows(place.parent / LEDGER_FILE, notes, needed=False)
    own = [row for row in log if Path(str(row.get("run"))).name == place.name]
    evaluations = [row for row in own if row.get("event") != "finished"]
    confirmed = _confirmed(path / "confirmed", tuple(spaces), notes)
    unique = tuple(dict.fromkeys([*notes, *predictions.notes]))
    return Run(records, predictions, fits, tested, confirmed, evaluations, unique)


def number(value: object) -> float | int | None:
    """A finite number as it is; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None


def clean(value: Any) -> Any:
    """Parsed JSON without what cannot be computed with or shown.

    Numbers that are not finite become None; control characters, with which a text could write
    anywhere on a terminal, and lone surrogates, which no file takes, become question marks.
    """
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clean(v) for v in value]
    if isinstance(value, str):
        return _ODD.sub("?", value)
    return value if isinstance(value, bool) or value is None else number(value)


def _run_file(path: Path, notes: list[str]) -> Row:
    run: Row = clean(read_run_file(path))
    settings, spaces = run.get("settings"), run.get("spaces")
    if not isinstance(settings, dict) or not isinstance(spaces, dict):
        raise InputError(f"{path} is damaged: its run.json names no settings or no spaces")
    settings.setdefault("objective", "nll")
    for part in ("data", "split", "versions", "hardware"):
        if not isinstance(run.get(part), dict):
            notes.append(f"run.json says nothing of {part}")
            run[part] = {}
    sessions = run.get("sessions")
    sessions = sessions if isinstance(sessions, list) else []
    run["sessions"] = [one for one in sessions if isinstance(one, dict)]
    for name, saved in spaces.items():
        space = saved.get("space") if isinstance(saved, dict) else None
        if not isinstance(space, dict):
            notes.append(f"run.json does not say what varied in {name}")
            space = {}
        parts = {k: space.get(k) for k in ("baseline", "fixed", "parameters")}
        kept = {k: part if isinstance(part, dict) else {} for k, part in parts.items()}
        kept["parameters"] = {k: v for k, v in kept["parameters"].items() if _is_range(v)}
        base = saved.get("base", {}) if isinstance(saved, dict) else {}
        spaces[name] = {"base": base, "space": {**space, **kept}}
    return run


def _is_range(parameter: Any) -> bool:
    """Whether a parameter's range has the form of `Space.to_json`."""
    ranges = parameter.get("attributes") if isinstance(parameter, dict) else None
    return (
        isinstance(ranges, dict)
        and isinstance(parameter.get("name"), str)
        and isinstance(ranges.get("choices", []), list)
    )


def _rows(path: Path, notes: list[str], *, needed: bool = True) -> Iterator[Row]:
    """Rows of a table; damaged ones are counted in a note. A line being written is no row yet."""
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
        notes.append(f"{path.name}: {counted(bad, 'damaged line')} left out")


def _fit_rows(folder: Path, notes: list[str]) -> Iterator[Row]:
    """A row for each training of the confirmation, those of an earlier version among them."""
    yield from _rows(folder / "fits.jsonl", notes, needed=False)
    try:
        yield from map(clean, folder_rows(folder / "fits").values())
    except InputError as error:
        notes.append(f"{error}: the confirmation's trials are left out")


def _confirmed(folder: Path, spaces: tuple[str, ...], notes: list[str]) -> dict[str, Row]:
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
    return confirmed


def _check_confirmed(found: Any) -> None:
    """Raise one of the usual errors if a result of search.confirm is incomplete."""
    for key, kind in {"candidates": list, "chosen": str | None, "test": dict | None}.items():
        if not isinstance(found[key], kind):
            raise TypeError(key)
    sure = verdict_of(found)
    if not (isinstance(sure.says, str) and isinstance(sure.num_fits, int)):
        raise TypeError("verdict")
    tested = [found["test"]["winner"]] if found["test"] else []
    for one in [*found["candidates"], *tested]:
        for key in ("nll", "exact_match", "gap"):
            if key in one and any(number(one[key][k]) is None for k in ("mean", "low", "high")):
                raise ValueError(key)


def _scored(row: Row) -> bool:
    """Whether a training's row has all that is computed with."""
    try:
        summarise([row])
        return isinstance(row["name"], str) and "seed" in row
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return False
