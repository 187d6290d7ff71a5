"""Origin of a model in a run folder: the search's best trial, or the winner that was confirmed.

RUN/best/model.safetensors             the winner of the confirmation; its own file says so
RUN/best/SPACE/model.safetensors       the search's best of a space; trial.json names it
RUN/confirmed/SPACE/model.safetensors  the winner of that space
"""

import json
from pathlib import Path

from captcha_models.commands import command
from captcha_models.training.checkpoint import MODEL_FILE, Loaded


def origin(loaded: Loaded) -> str | None:
    """One line that says which model it is; None of one that no search has left."""
    card = loaded.card
    if card.choice:
        return card.choice.describe(card.data.num_train)
    trial = _trial(loaded.path)
    if trial is None:
        return None
    run = loaded.path.parents[2]
    winner = run / "best" / MODEL_FILE
    if winner.is_file():
        return f"{trial}, the best trial of the search; what search.confirm trained is {winner}"
    return f"{trial}, the best trial of the search, not confirmed: {command('search.confirm', run)}"


def _trial(path: Path) -> str | None:
    """The trial whose model it is, if it lies where a search keeps its best."""
    if path.parent.parent.name != "best":
        return None
    try:
        note = json.loads((path.parent / "trial.json").read_text(encoding="utf-8"))
        return str(note["trial"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
