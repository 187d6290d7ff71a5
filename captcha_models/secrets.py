"""Redaction of passwords, keys and tokens in records and in what is printed."""

import json
import os
import re

HIDDEN = "***"
_NAMES = (
    r"(?:token|secret|passw(?:or)?d|pwd|signature|sig|credentials?|(?:api|access|private)_?key)"
)
_VARIABLE = re.compile(rf"{_NAMES}(?:_id)?$", re.IGNORECASE)
_PATTERNS = (
    # scheme://user:password@host
    re.compile(r"(?<=://)[^\s/@\"'\\]+(?=@)"),
    # ?name=value, --name=value, name: value, with a telling name
    re.compile(
        rf"(?:^|(?<=[?&;\s\"'_-])){_NAMES}(?:_id)?"
        r"(?P<is>=|\": \"|: )(?P<value>[^\s&;,\"'\\]+)",
        re.IGNORECASE,
    ),
    # Keys that tell what they are by how they begin: AWS, GitHub, Hugging Face, Slack, OpenAI.
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[opsu]_\w{20,}|\bhf_\w{20,}|\bxox[a-z]-[\w-]{10,}"
               r"|\bsk-[\w-]{20,}"),
)  # fmt: skip
_SHORTEST = 8


def hide(text: str) -> str:
    """A text, JSON too, without what looks like a secret or is one in this process's environment.

    What counts: user and password of an address; values named token, secret, password, key and
    the like; keys of known shape; values of environment variables with such names.
    """
    for secret in _of_environment():
        text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    if "value" in found.re.groupindex:
        return found[0].removesuffix(found["value"]) + HIDDEN
    return HIDDEN


def _of_environment() -> list[str]:
    values = {
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and _VARIABLE.search(name) and not value.startswith("/")
    }
    # As they stand in JSON, too; the longest first, for one may be part of another.
    return sorted({*values, *(json.dumps(value)[1:-1] for value in values)}, key=len, reverse=True)
