"""Tables of labels as rows of text: CSV, TSV, semicolons, JSON Lines, or `file text` lines."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from captcha_models.data.labels.file_index import is_image_name, shown
from captcha_models.errors import InputError

TABLE_ENDINGS = frozenset(
    (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".txt", ".lst", ".labels")
)
"""Endings of files that may be tables."""
SAMPLED = 300
"""Rows that decide how a table is written."""

_HEADER_WORDS = frozenset(
    (
        "image", "img", "file", "filename", "file_name", "path", "image_path", "label", "labels",
        "text", "words", "transcription",
    )
)  # fmt: skip
"""Two of them in one row are names of columns, even if images are called so."""

Knows = Callable[[str], bool]
"""Whether a cell names an image that is there."""


@dataclass(frozen=True)
class Table:
    """Rows of a table.

    Attributes:
        name: of its file.
        kind: how it is written, in words.
        header: names of the columns, None if it has none.
        rows: cells, as many in each row.
        lines: line or number of each row in the file, from 1.
        hits: rows, of the first `SAMPLED`, that name an image.
        fault: what is wrong with it, "" if nothing.
    """

    name: str
    kind: str
    header: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    hits: int
    fault: str = ""

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.header or self.rows[0])

    def describe_columns(self) -> str:
        """Names of the columns for an error, or how they are called if they have none."""
        if self.header:
            return ", ".join(shown(name) or "(no name)" for name in self.header)
        return f"1 to {self.width}, without names"


def read_table(data: bytes, name: str, knows: Knows) -> Table | None:
    """The rows of a file, None if it has fewer than two columns everywhere.

    Args:
        data: bytes of the file: UTF-8, or what its byte order mark says.
        name: for errors.
        knows: decides between ways in which the file could be read.

    Raises:
        InputError: no text, or JSON of another kind.
    """
    text = decoded(data, name)
    start = text.lstrip()[:1]
    if start in ("{", "[") and (objects := _objects(text, name)) is not None:
        return _from_objects(objects, name, knows)
    found = [
        _delimited(text, name, kind, delimiter, knows)
        for kind, delimiter in (("tabs", "\t"), ("commas", ","), ("semicolons", ";"))
        if delimiter in text
    ]
    found.append(_spaced(text, name, knows))
    wide = [table for table in found if table and table.width > 1]
    return max(wide, key=lambda table: table.hits, default=None)


def is_table_name(name: str) -> bool:
    """Whether a file may be a table, by its ending."""
    return PurePosixPath(name).suffix.lower() in TABLE_ENDINGS


def decoded(data: bytes, name: str) -> str:
    """Text of a file, each line ended by one line feed.

    Raises:
        InputError: neither UTF-8 nor UTF-16 with a byte order mark, or no text.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{shown(name)} is not UTF-8 text (byte {error.start + 1}): save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{shown(name)} is no text: it has a zero byte")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimited(text: str, name: str, kind: str, delimiter: str, knows: Knows) -> Table | None:
    # A label may begin with a quotation mark where a program writes lines as they are: a table
    # with tabs and without a header.
    plain = delimiter == "\t" and not _is_header(text.split("\n", 1)[0].split("\t"), knows)
    wrong = ""
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(
        [f"{line}\n" for line in text.split("\n")],
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        strict=True,
        # ICDAR writes `word_1.png, "Tiredness"`.
        skipinitialspace=bool(re.search(rf'(?m)^[^"\n]*{re.escape(delimiter)} "', text)),
    )
    try:
        before = 0
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        wrong = (
            f"{shown(name)}, line {reader.line_num}: {error}; a label with a quotation mark at its "
            'start is written """like this""'
        )
    return _table(rows, lines, name, f"{kind} between", knows, wrong)


def _spaced(text: str, name: str, knows: Knows) -> Table | None:
    """Lines of a file and its text; where several spaces could part them, a file that is there."""
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        places = [m.start() for m in re.finditer(" ", line.strip())][:20]
        cells = [(line.strip()[:i], line.strip()[i + 1 :]) for i in places]
        known = [pair for pair in cells if knows(pair[0])]
        images = [pair for pair in cells if is_image_name(pair[0])]
        named = [pair for pair in known if pair in images] or known or images
        rows.append(list((named or cells or [(line.strip(), "")])[0]))
        lines.append(number)
    return _table(rows, lines, name, "a space between", knows, "")


def _table(
    rows: list[list[str]], lines: list[int], name: str, kind: str, knows: Knows, wrong: str
) -> Table | None:
    if not rows:
        return None
    header = tuple(cell.strip() for cell in rows[0]) if _is_header(rows[0], knows) else None
    body = rows[1:] if header else rows
    numbers = lines[1:] if header else lines
    hits = sum(any(map(knows, row)) for row in body[:SAMPLED])
    width = len(header) if header else max(map(len, body))
    if (
        not header
        and width > 2
        and not any(map(str.strip, (r[-1] for r in body if len(r) == width)))
    ):
        width -= 1  # Every line ends with the delimiter.
    for row, number in zip(body, numbers, strict=True):
        if any(cell.strip() for cell in row[width:]) or (
            # Where rows differ without a header, nothing says which is right.
            not header and width > 2 and len(row) < width
        ):
            wrong = wrong or (
                f"{shown(name)}, line {number}: {len(row)} cells where others have "
                f"{width if header or len(row) < width else len(body[0])}; a label that contains "
                "what parts the cells is put in quotation marks"
            )
    cells = tuple((*row[:width], *[""] * (width - len(row))) for row in body)
    return Table(name, kind, header, cells, tuple(numbers), hits, wrong)


def _is_header(cells: Sequence[str], knows: Knows) -> bool:
    """Whether a first row names columns: none of its cells is, or looks like, an image."""
    if sum(cell.strip().lower() in _HEADER_WORDS for cell in cells) > 1:
        return True
    return (
        len(cells) > 1
        and not any(is_image_name(cell.strip()) or knows(cell) for cell in cells)
        and not any(cell.strip() and not re.search(r"[^\W\d]", cell) for cell in cells)
    )


def _objects(text: str, name: str) -> list[dict[str, Any]] | None:
    """Objects of JSON Lines or of one JSON document; None if it is no JSON at all."""
    # Numbers stay as they are written: 007 is none, but 1.10 and 1e5 would change.
    read = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode
    try:
        whole = read(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict):
        return _of_document(whole, name)
    if isinstance(whole, list):
        found = whole
    else:
        found = []
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    found.append(read(line))
                except (ValueError, RecursionError):
                    if not found and PurePosixPath(name).suffix.lower() not in (".json", ".jsonl"):
                        return None
                    raise InputError(f"{shown(name)}, line {number}: no JSON") from None
    for number, one in enumerate(found, 1):
        if not isinstance(one, dict):
            raise InputError(f"{shown(name)}, row {number}: no JSON object with named values")
    return found


def _of_document(whole: dict[str, Any], name: str) -> list[dict[str, Any]]:
    if {"images", "annotations"} <= whole.keys() or "anns" in whole:
        raise InputError(
            f"{shown(name)} is COCO, boxes on pages: cut the boxes out, and write a table with the "
            "columns image and label"
        )
    listed = whole.get("data_list")
    if isinstance(listed, list):  # MMOCR
        return [_of_mmocr(one, name) for one in listed]
    if len(whole) > 1 and all(isinstance(value, str) for value in whole.values()):
        known = {"image", "label", "text", "file_name", "filename", "file", "path"}
        if not known & {key.lower() for key in whole}:
            return [{"image": key, "label": value} for key, value in whole.items()]
    return [whole]


def _of_mmocr(one: Any, name: str) -> dict[str, Any]:
    try:
        (instance,) = one["instances"]
        return {"image": one["img_path"], "label": instance["text"]}
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{shown(name)}: each of data_list needs img_path and one instance with a text"
        ) from None


def _from_objects(objects: list[dict[str, Any]], name: str, knows: Knows) -> Table | None:
    header = tuple(dict.fromkeys(key for one in objects for key in one))
    if len(header) < 2:
        return None
    rows = tuple(tuple(_cell(one.get(key)) for key in header) for one in objects)
    hits = sum(any(map(knows, row)) for row in rows[:SAMPLED])
    return Table(name, "JSON", header, rows, tuple(range(1, len(rows) + 1)), hits)


def _cell(value: object) -> str:
    """Text of a JSON value; nothing for what is missing or nested."""
    if isinstance(value, bool):
        return json.dumps(value)
    return value if isinstance(value, str) else ""
