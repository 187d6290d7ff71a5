"""A run folder written by hand."""

from pathlib import Path
from typing import Any

from search.store.run_folder import RunFolder


def run_json(objective: str = "nll", spaces: tuple[str, ...] = ("crnn",)) -> dict[str, Any]:
    return {
        "started": "2026-01-01T00:00:00.000+00:00",
        "settings": {"spaces": list(spaces), "objective": objective},
        "data": {"num_images": 10, "source": "nowhere"},
        "split": {"num_train": 7, "num_valid": 2, "num_test": 1},
        "spaces": {
            name: {"base": {}, "space": {"baseline": {"lr": 0.1}, "fixed": {}}} for name in spaces
        },
        "sessions": [],
    }


def start(folder: RunFolder, number: int, space: str = "crnn") -> str:
    name = f"{space}-{number:03d}"
    folder.add_trial(
        trial=name, space=space, number=number, baseline=number == 0, state="running", seed=number,
        config={"lr": 0.1 * number}, started="", ended=None, epochs=0, error=None,
    )  # fmt: skip
    return name


def epoch(
    folder: RunFolder, trial: str, epoch: int, valid_nll: float, *, checkpoint: bool = False,
    accuracy: float = 0.5, gap: float = 0.25, images_seen: int = 1,
) -> None:  # fmt: skip
    place = Path("ray") / trial / f"checkpoint_{epoch:06d}"
    if checkpoint:
        (folder.path / place).mkdir(parents=True)
        (folder.path / place / "model.safetensors").write_text(f"{trial} {epoch}")
    folder.add_epoch(
        trial=trial, epoch=epoch, train_loss=1.0, valid_loss=1.0, train_nll=valid_nll - gap,
        valid_nll=valid_nll, gap=gap, images_seen=images_seen, train_nll_raw=valid_nll - gap,
        valid_nll_raw=valid_nll, temperature=1.0, valid_exact_match=accuracy,
        valid_exact_match_greedy=accuracy, valid_position_accuracy=0.75, images_per_s=10.0,
        seconds=60.0 * epoch, device="cpu", checkpoint=str(place) if checkpoint else None,
    )  # fmt: skip
