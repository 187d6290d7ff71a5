"""Patterns that find the label in the name of a file, such as `{label}_{number}`."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Self

MOST_WILDCARDS = 3
"""`{any}` in one part of a path: more would make the search for the label take long."""

_PIECES = re.compile(r"\{([^{}]*)\}|(\*)|([\[\]])|([^{}*\[\]]+)|([{}])")
_WILD = {"number": r"(?<!\d)\d+(?!\d)", "any": r"[^/]*"}


def is_pattern(text: str) -> bool:
    """Whether a rule for labels is a pattern, by what no other rule contains."""
    return "{" in text or "*" in text


@dataclass(frozen=True)
class NamePattern:
    """A pattern for the name of a file without its ending, or for the end of its path.

    `{label}` is the label, `{group}` what the image shares with others, `{number}` digits, all
    that stand together; `{any}` or `*` anything, nothing as well; `[...]` may be missing; all else
    stands for itself. A pattern with `/` is for as many folders above the file as it has of them.
    Where a name can be read in several ways the label is as short as possible.

    Attributes:
        text: as a person writes it.
    """

    text: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The pattern, checked.

        Raises:
            ValueError: no `{label}` or several, an unknown `{...}`, brackets that do not pair.
        """
        pattern = cls(text)
        _ = pattern._regex
        return pattern

    def read(self, path: str) -> tuple[str, str] | None:
        """Label and group ("" if the pattern has none) of a path; None if it does not fit."""
        whole = PurePosixPath(path)
        depth = self.text.count("/") + 1
        parts = (*whole.parts[:-1], whole.stem)
        if len(parts) < depth:
            return None
        found = self._regex.fullmatch("/".join(parts[-depth:]))
        if not found:
            return None
        return found["label"], found.groupdict().get("group") or ""

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        def wrong(why: str) -> ValueError:
            return ValueError(
                f"labels {self.text!r}: {why}; write such as {{label}}_{{number}}, with {{label}} "
                "once, {group}, {number}, {any} or *, and [...] around what may be missing"
            )

        built, named, open_brackets, wild = "", set(), 0, 0
        for name, star, bracket, literal, brace in _PIECES.findall(self.text):
            if brace:
                raise wrong("a brace has no other")
            if bracket:
                open_brackets += 1 if bracket == "[" else -1
                if open_brackets not in (0, 1):
                    raise wrong("the brackets do not pair")
                built += "(?:" if bracket == "[" else ")?"
            elif literal:
                built += re.escape(literal)
                wild = 0 if "/" in literal else wild
            elif star or name in _WILD:
                kind = "any" if star else name
                wild += kind == "any"
                if wild > MOST_WILDCARDS:
                    raise wrong(f"{{any}} stands in it more than {MOST_WILDCARDS} times")
                built += _WILD[kind]
            elif name in ("label", "group") and name not in named and not open_brackets:
                named.add(name)
                built += f"(?P<{name}>[^/]+{'?' if name == 'label' else ''})"
            else:
                raise wrong(f"{{{name}}} is unknown, there already, or inside [...]")
        if open_brackets:
            raise wrong("the brackets do not pair")
        if "label" not in named:
            raise wrong("{label} is missing")
        return re.compile(built, re.DOTALL)
