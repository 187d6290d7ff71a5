"""Rules that say what the label of an image is, as plain values that a run records."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from captcha_models.data.labels.pattern import NamePattern, is_pattern
from captcha_models.errors import InputError, explain

ROLES = ("image", "label", "group", "split")
"""What a column of a table can hold."""


class LabelRules(BaseModel):
    """What the labels of a folder, an archive or a table are."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    labels: str = Field("auto", min_length=1)
    """`auto` (a table that names the images, else their names, unless those are no labels),
    `stem` (a file's name without its ending), `folder` (the name of the folder it lies in), a
    pattern such as `{label}_{number}` (see `NamePattern`), or the path of a table."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Names of a table's columns, or their numbers from 1, by role: see `ROLES`."""
    ignore_case: bool = False
    """Make all labels lower case."""

    @field_validator("labels")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        if is_pattern(value):
            NamePattern.of(value)
        return value

    @field_validator("columns", mode="before")
    @classmethod
    def _read_columns(cls, value: object) -> object:
        return columns(value) if isinstance(value, str) else value

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, value: dict[str, str]) -> dict[str, str]:
        for role, name in value.items():
            if role not in ROLES or not name:
                raise ValueError(
                    f"columns {role}={name}: write ROLE=NAME with one of {', '.join(ROLES)}, such "
                    "as image=file,label=text"
                )
        if len(set(value.values())) < len(value):
            raise ValueError(f"columns {value}: each role needs a column of its own")
        return value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            InputError: names each refused field, its value and the rule.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise InputError(explain(error)) from None


def columns(text: str) -> dict[str, str]:
    """Columns by role, written `image=file,label=text`.

    Raises:
        ValueError: written otherwise, or a role twice.
    """
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        role, equals, name = part.partition("=")
        role = role.strip()
        if not equals or role in found:
            raise ValueError(
                f"columns {text!r}: write each role once, such as image=file,label=text"
            )
        found[role] = name.strip()
    return found
