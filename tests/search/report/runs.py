"""Run folders written by hand, as a search leaves them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

import spaces
from search.store.jsonl import write_json
from search.store.predictions import IMAGES, THUMBNAILS, keep_predictions
from search.store.run_folder import RunFolder
from search.tuning.settings import Settings

LABELS = ("2b827", "3nxmp", "8g4dc", "wwwww", "p5e7y", "c2c2c", "m3m3m", "yx6nb")
EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)> \" ' {{ 7 * 7 }}"
"""Text that would be markup, script or a template where it is not escaped."""
STATES = ("completed", "completed", "stopped", "failed", "completed")


def run_json(names: Sequence[str] = ("crnn",), **settings: Any) -> dict[str, Any]:
    given = Settings(spaces=tuple(names), trials=5, epochs=4, **settings)
    return {
        "started": "2026-01-01T00:00:00.000+00:00",
        "settings": given.model_dump(mode="json"),
        "versions": {"python": "3.11.7", "torch": "2.15.0"},
        "git_revision": "0123abc",
        "data": {"source": "archive a.zip", "digest": "d" * 64, "num_images": 40},
        "split": {"num_train": 24, "num_valid": len(LABELS), "num_test": 8, "fold": 0, "folds": 5},
        "hardware": {"system": "Linux", "cpus": 2, "gpus": [], "ray": "a private local Ray"},
        "spaces": {
            name: {"space": spaces.load(name).to_json(), "digest": "", "base": {"epochs": 4}}
            for name in names
        },
        "sessions": [
            {"started": "2026-01-01", "command": ["python", "-m", "search.run"], "ended": "2026",
             "interrupted": False}
        ],
    }  # fmt: skip


def config(space: str, number: int) -> dict[str, Any]:
    """The baseline's point, its learning rate another in each trial."""
    start = dict(spaces.load(space).baseline)
    start["lr"] = 1e-3 * (1 + number % 7)
    return {"epochs": 4, **start}


def write(
    path: Path, *, names: Sequence[str] = ("crnn",), trials: int = 5, epochs: int = 4,
    states: Sequence[str] = STATES, images: bool = True, error: str = "RuntimeError: no",
    labels: Sequence[str] = LABELS, **settings: Any,
) -> Path:  # fmt: skip
    """A run of `trials` trials in each space; their NLL falls with epochs and with their number."""
    run = run_json(names, **settings)
    run["split"]["num_valid"] = len(labels)
    with RunFolder.create(path, run) as folder:
        for space in names:
            for number in range(trials):
                state = states[number % len(states)]
                _trial(folder, space, number, state, epochs, error, labels if images else ())
    if images:
        _pictures(path, labels)
    return path


def _trial(
    folder: RunFolder, space: str, number: int, state: str, epochs: int, error: str,
    labels: Sequence[str],
) -> None:  # fmt: skip
    name = f"{space}-{number:03d}"
    folder.add_trial(
        trial=name, space=space, number=number, baseline=number == 0, state="running", seed=number,
        config=config(space, number), started=f"2026-01-01T00:{number % 60:02d}:00.000+00:00",
        ended=None, epochs=0, error=None, reason=None,
    )  # fmt: skip
    last = {"completed": epochs, "failed": 1, "stopped": max(1, epochs // 2)}.get(state, 1)
    for epoch in range(1, last + 1):
        nll = 8 * math.exp(-epoch) + 0.3 / (1 + number) + 0.01
        folder.add_epoch(
            trial=name, epoch=epoch, train_loss=nll, valid_loss=nll, train_nll=nll * 0.8,
            valid_nll=nll, gap=nll * 0.2, images_seen=24 * epoch, train_nll_raw=nll,
            valid_nll_raw=nll,
            temperature=1.0, valid_exact_match=1 - min(1, nll), valid_position_accuracy=0.9,
            valid_exact_match_greedy=1 - min(1, nll), valid_cer=min(1, nll) / 4,
            images_per_s=10.0, lr=1e-3,
            seconds=30.0 * epoch, device="cpu", checkpoint=None,
        )  # fmt: skip
    if state in ("completed", "stopped") and labels:
        keep_predictions(folder.path, name, last, readings(number, len(labels)), None)
    if state != "running":
        told = error if state == "failed" else None
        why = "behind others" if state == "stopped" else None
        spent = {"gpu_seconds": 60.0, "cost": 0.25} if state == "completed" else {}
        folder.end_trial(name, state, told, why, **spent)  # type: ignore[arg-type]


def readings(number: int, count: int) -> dict[str, Any]:
    """The third image is misread by all, the last by every other trial."""
    wrong = {"2": "8g4do"} | ({str(count - 1): "yx6n"} if number % 2 == 0 else {})
    sure = [0.99 - 0.01 * (i % 5) for i in range(count)]
    beams = {"greedy": 0.5, "1": 0.5, "10": 0.75}
    nlls = [0.01 * (1 + i % 9) for i in range(count)]
    return {"wrong": wrong, "confidences": sure, "nlls": nlls, "beams": beams}


def _pictures(path: Path, labels: Sequence[str]) -> None:
    names = [f"image{i}.png" for i in range(len(labels))]
    write_json(path / IMAGES, {"images": names, "labels": list(labels)})
    (path / THUMBNAILS).mkdir()
    for place in (2, len(labels) - 1):
        Image.new("L", (140, 35), 40 * place % 255).save(path / THUMBNAILS / f"{place}.png")
