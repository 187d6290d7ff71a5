"""Hyperparameter search for text recognisers: the Python interface.

    import search

    run = search.Experiment("labelled/", "crnn", trials=8).run()
    print(run.leaderboard())

`docs/python.md` shows all of it. Names are loaded when they are first used: neither Ray nor torch
is needed to look at a run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captcha_models.architectures import register
    from captcha_models.data.images import LabelledImages
    from captcha_models.errors import InputError
    from captcha_models.inference.predictor import Predictor
    from captcha_models.inference.predictor import load as load_model
    from search.experiment import Experiment, Run, load_images, open_run
    from search.tuning.objectives import Constraint, Objective
    from spaces import load as load_space
    from spaces.space import Condition, Space

_PLACES = {
    "Condition": "spaces.space",
    "Constraint": "search.tuning.objectives",
    "Experiment": "search.experiment",
    "InputError": "captcha_models.errors",
    "LabelledImages": "captcha_models.data.images",
    "Objective": "search.tuning.objectives",
    "Predictor": "captcha_models.inference.predictor",
    "Run": "search.experiment",
    "Space": "spaces.space",
    "load_images": "search.experiment",
    "load_model": "captcha_models.inference.predictor:load",
    "load_space": "spaces:load",
    "open_run": "search.experiment",
    "register": "captcha_models.architectures",
}
"""Where each name comes from; `MODULE:NAME` where it is called otherwise there."""

__all__ = [
    "Condition",
    "Constraint",
    "Experiment",
    "InputError",
    "LabelledImages",
    "Objective",
    "Predictor",
    "Run",
    "Space",
    "load_images",
    "load_model",
    "load_space",
    "open_run",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    module, _, own = _PLACES[name].partition(":")
    return getattr(import_module(module), own or name)
