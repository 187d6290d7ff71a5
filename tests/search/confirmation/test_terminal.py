"""What a confirmation prints: whole at every width, each figure once, commands on their lines."""

import io
from typing import Any

import pytest
from rich.console import Console

from search.confirmation.terminal import print_confirmation

RUN = "/home/somebody/a/long/way/down/to/the/folder/of/all/my/runs/2026-11-28-120000-crnn"


def figure(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean / 2, "high": 2 * mean}


def part(start: float) -> dict[str, Any]:
    return {
        "nll": figure(start), "train_nll": start + 0.01, "gap": figure(start + 0.02),
        "exact_match": figure(start / 100 + 0.3), "cer": figure(start / 100 + 0.4),
        "images_seen": 123456.0, "seconds": 4321.0,
    }  # fmt: skip


def result() -> dict[str, Any]:
    lines = [
        {"name": name, "chosen": name == "crnn-001", "baseline": name == "baseline",
         "within_one_standard_error": False, "search_valid_nll": start + 0.03,
         "difference_to_best": {"nll": {"mean": start, "error_images": 0.0123}}, **part(start)}
        for name, start in (("crnn-001", 0.1234), ("crnn-017", 1.2345), ("baseline", 16.78))
    ]  # fmt: skip
    test = {
        "num_images": 96, "winner": part(0.2345), "baseline": part(15.67),
        "difference": {"nll": figure(-15.43), "exact_match": figure(0.9)},
        "optimism": figure(0.0567),
    }  # fmt: skip
    return {
        "run": RUN, "plan": {"seeds": 5, "folds": 5, "test_seeds": 3}, "candidates": lines,
        "failed": [], "chosen": "crnn-001", "test": test, "gain": None,
        "verdict": {"confirmed": True, "says": "5 of 5 trainings beat the baseline"},
        "model": {"file": "confirmed/crnn/model.safetensors"},
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_is_cut_or_broken_at_any_width(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    print_confirmation({"crnn": result()}, console)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert "…" not in out.getvalue()
    # A command or a path stays whole, on a line of its own.
    assert f"  python -m captcha_models.export {RUN}" in lines
    assert f"  {RUN}/confirmed/crnn/model.safetensors" in lines
    assert max(len(line) for line in lines if RUN not in line) <= width
    words = " ".join(lines)
    for shown in ("0.1534", "0.0617 to 0.2468", "+1.2345", "16.81", "8.3900 to 33.56", "30.12 %"):
        assert words.count(shown) == 1, shown
    assert words.count("123,456") == 5
    # Each part of a table begins with the names of its lines.
    tables = sum(line.split()[:1] == ["candidate"] for line in lines)
    assert words.count("crnn-017") == tables == {60: 3, 80: 2, 120: 1, 200: 1}[width]


def test_at_80_columns_the_first_part_is_what_one_looks_for() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    print_confirmation({"crnn": result()}, console)
    first = next(line for line in out.getvalue().splitlines() if "candidate" in line)
    assert first.split() == ["candidate", "search", "NLL", "to", "best", "train", "NLL", "gap"]
