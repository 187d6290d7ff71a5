"""Text of a survey: under 30 lines of 80 columns for a terminal."""

import textwrap
from collections.abc import Iterator

from captcha_models.commands import command
from captcha_models.inspection.readers import Reader
from captcha_models.inspection.survey import Survey
from captcha_models.words import counted

COLUMNS = 80
INDENT = 12
MOST_LINES = 3
"""Of one paragraph; the page has the rest."""
NAMED = 3


def lines(found: Survey, search: str) -> Iterator[str]:
    """The lines; the last is the command to use, however long.

    Args:
        found: about the images.
        search: the command that searches on them.
    """
    skipped = f", {found.num_skipped} wrong files left out" if found.num_skipped else ""
    yield from _part("images", f"{found.num_images} from {found.source}{skipped}")
    for note in found.notes[:NAMED]:
        yield from _part("", note)
    yield from _part("sizes", sizes(found))
    symbols = " ".join(f"{symbol_name(s)}:{n}" for s, n in found.symbols.items())
    yield from _part(
        "alphabet", f"{counted(len(found.symbols), 'symbol')}, the rarest first: {symbols}"
    )
    yield from _part("labels", labels(found))
    yield from _part("duplicates", duplicates(found))
    if found.contradictions:
        one, its, other, others = found.contradictions[0]
        yield from _part(
            "WARNING",
            counted(
                len(found.contradictions), "pair that looks alike has", "pairs that look alike have"
            )
            + f" two labels: see {one} ({its}) and {other} ({others})",
        )
    if found.blank:
        some = ", ".join(found.blank[:NAMED])
        yield from _part(
            "WARNING",
            f"{counted(len(found.blank), 'image has', 'images have')} one colour only: {some}",
        )
    if found.num_groups:
        yield from _part(
            "groups", f"{found.num_groups}, the largest of {counted(found.largest_group, 'image')}"
        )
    yield from _part("split", split(found))
    if found.generated:
        yield from _part("generated", found.generated.describe())
    for reader in found.readers:
        yield from _part(reader.arch, seen(reader))
    yield ""
    yield "search with:"
    yield search


def search_command(found: Survey, options: list[str]) -> str:
    """The command that searches on the images, as a shell takes it.

    Args:
        found: about them.
        options: that name the data.
    """
    return command("search.run", "--space", found.best, *options)


def sizes(found: Survey) -> str:
    """Sizes of the files and what they become."""
    if not found.file_sizes:
        return f"drawn; read at {found.geometry}"
    height, width = found.file_sizes["height"], found.file_sizes["width"]
    return (
        f"{_range(width)} px wide, {_range(height)} px high; read at {found.geometry}"
        f" ({'kept in proportion' if found.keep_aspect else 'squeezed'})"
    )


def labels(found: Survey) -> str:
    """Lengths of the labels, and those that repeat."""
    lengths = ", ".join(f"{length} ({number})" for length, number in found.lengths.items())
    same = "all different"
    if found.repeated:
        some = ", ".join(f"{one} x{n}" for one, n in list(found.repeated.items())[:NAMED])
        same = f"{found.num_labels} different, {len(found.repeated)} of them repeat: {some}"
    return f"length (images): {lengths}; {same}"


def duplicates(found: Survey) -> str:
    """Images that show one picture."""
    if not (found.exact or found.near):
        return "none"
    some = [f"{one} = {other}" for one, other in (*found.exact, *found.near)[:2]]
    return (
        f"{counted(len(found.exact), 'pair')} equal, {len(found.near)} nearly so "
        f"({', '.join(some)}); {found.sides}"
    )


def split(found: Survey) -> str:
    """The parts."""
    if not found.split:
        return f"none: {found.split_note}"
    words = {"train": "train", "valid": "validate", "test": "locked test set"}
    parts = []
    for part, counts in found.split.items():
        groups = f" of {counted(counts['groups'], 'group')}" if counts["groups"] else ""
        parts.append(f"{words[part]} {counts['images']}{groups}")
    return f"{', '.join(parts)} ({found.split_note})"


def seen(reader: Reader) -> str:
    """What an architecture sees."""
    if not reader.cuts:
        return f"{reader.sees}" if reader.reads else f"cannot read them: {reader.why_not}"
    cuts = "; ".join(
        f"cut {one.value}: {_columns(one.columns)}, "
        + (f"NO ({one.why_not})" if one.why_not else f"{one.least:.1f} a symbol at least")
        for one in reader.cuts
    )
    return f"{reader.sees}; columns at {cuts}"


def symbol_name(symbol: str) -> str:
    """A symbol as it can be seen."""
    return "space" if symbol == " " else symbol


def _columns(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _range(values: list[float]) -> str:
    low, _, high = values
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _part(name: str, text: str) -> list[str]:
    head = f"{name:<{INDENT}}"
    return textwrap.wrap(
        text, COLUMNS, initial_indent=head, subsequent_indent=" " * INDENT,
        max_lines=MOST_LINES, placeholder=" ...", break_on_hyphens=False,
    )  # fmt: skip
