"""Names that recorded runs, models and configurations of version 0.1 use, and today's.

Whatever is read from a file passes through `renamed`; nothing is written under an old name.
"""

from collections.abc import Mapping
from typing import Any

NAMES = {
    "captcha_accuracy": "exact_match",
    "captcha_accuracy_greedy": "exact_match_greedy",
    "char_accuracy": "position_accuracy",
    "valid_captcha_accuracy": "valid_exact_match",
    "valid_captcha_accuracy_greedy": "valid_exact_match_greedy",
    "valid_char_accuracy": "valid_position_accuracy",
    "passes": "images_seen",
    "max_trial_passes": "max_trial_images_seen",
    "sittings": "sessions",
}
"""Key of an old record: key of today."""
_OWN = ("config", "base", "space")
"""Objects whose keys are fields of an architecture, which somebody else may have named."""


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values under today's keys; those of all objects within it too."""
    return {NAMES.get(key, key): _value(key, value) for key, value in values.items()}


def _value(key: str, value: Any) -> Any:
    if key == "cost" and isinstance(value, str):
        return NAMES.get(value, value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [renamed(one) if isinstance(one, dict) else one for one in value]
    return renamed(value) if isinstance(value, dict) and key not in _OWN else value
