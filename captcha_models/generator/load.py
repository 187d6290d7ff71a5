"""A style by its name, or from a file that says how it differs from one."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from captcha_models.errors import InputError
from captcha_models.generator.style import PRESETS, Style


def load_style(name: str) -> Style:
    """The preset of that name, or the style a TOML file describes.

    Args:
        name: a key of PRESETS; or a file with some of Style's fields, and `preset`, the one it
            departs from (`default` if left out). Lists stand for tuples.

    Raises:
        InputError: no such preset or file, an unknown field, or a value that is not allowed.
    """
    if name in PRESETS:
        return PRESETS[name]
    path, known = Path(name), ", ".join(PRESETS)
    if not path.is_file():
        raise InputError(f"synthetic preset {name!r}: choose one of {known}, or a TOML file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from None
    base = values.pop("preset", "default")
    if base not in PRESETS:
        raise InputError(f"{path}: preset = {base!r}: choose one of {known}")
    allowed = [field.name for field in fields(Style)]
    for field in values:
        if field not in allowed:
            raise InputError(f"{path}: unknown field {field!r}; known are {', '.join(allowed)}")
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return replace(PRESETS[base], **plain)
