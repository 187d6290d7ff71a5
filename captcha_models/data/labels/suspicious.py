"""Suspicious names: counters, hashes, copies and the like, which are probably no labels.

A set of names that could well be labels is not touched: random numbers, however many of one
length; dates; prices; short hexadecimal words. What is noticed is refused with the remedy, for a
model that learns from counters tells nobody that it did.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from captcha_models.data.labels.archive import undone
from captcha_models.data.labels.file_index import is_image_name, shown

MOST = 0.8
"""Share of the names that have to look alike before all are taken for what they look like."""
DENSE = 0.9
"""Share of the numbers in a range that have to occur before they are taken for running ones.

Random labels of four digits that fill 9 of 10 places would need 9,000 different ones."""
FEW = 3
"""Names below which nothing can be said to run."""
MANY = 20
"""Names with one and the same word before the number that are no chance where words differ."""

_COUNTED = re.compile(
    r"(?:img|image|im|pic|picture|photo|foto|scan|crop|frame|file|sample|captcha|word|line|"
    r"screenshot|dsc|dscn|pxl|train|val|valid|test|text|example|item|data|bild|page|receipt|"
    r"meter|plate|digit|number|label)[ _\-.]?\(?\d+\)?",
    re.IGNORECASE,
)
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_HASH = re.compile(rf"(?:{_UUID}|[0-9a-f]{{16,}})", re.IGNORECASE)
_HASHED = re.compile(rf".+[_\-. ]{_UUID}|{_UUID}[_\-. ].+", re.IGNORECASE)
_COPY = re.compile(
    r"(?P<label>.+?)"
    r"(?P<mark> \(\d+\)|\(\d+\)|[ _\-]+(?:copy|kopie|copie|copia|kopi)(?:[ _]?\(?\d+\)?)?)",
    re.IGNORECASE,
)
_CAMERA = re.compile(r"(?:[a-z]{2,4}_)?20\d{6}[_\-T]\d{6}\w*", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<label>.+)_(?P<number>\d+)")
_NUMBER_FIRST = re.compile(r"(?P<number>\d+)_(?P<label>.+)")


def suspicion(paths: Sequence[str], only_copies: bool = False) -> str:
    """What is wrong with the names of images as their labels, and what to do; "" if nothing is.

    Args:
        paths: of the files that may be images.
        only_copies: look for copies and second endings alone.
    """
    stems = [PurePosixPath(path).stem for path in paths]
    if not stems:
        return ""
    if only_copies:
        return _double_ending(paths, stems) or _copies(paths, stems)
    return (
        _wrongly_decoded(paths, stems)
        or _double_ending(paths, stems)
        or _copies(paths, stems)
        or _hashes(paths, stems)
        or _one_name(paths, stems)
        or _counters(paths, stems)
        or _numbered(paths, stems)
        or _same_word(paths, stems)
    )


def odd_paths(odd: Sequence[tuple[str, str]]) -> str:
    """What is wrong with names in an archive that could not be taken as they are; "" if nothing.

    Args:
        odd: of each such name how the archive spells it, and the path that it probably means.
    """
    if not odd:
        return ""
    spelt, path = odd[0]
    if spelt == path:
        return (
            f"the archive does not say in which encoding its names are ({shown(path)}): unpack it "
            "with a program that knows, and give the folder"
        )
    what = (
        "parts folders by backslashes"
        if "\\" in spelt
        else "does not say that its names are UTF-8, so that other programs read others"
    )
    return (
        f"the archive {what} ({len(odd)} names: {shown(spelt)} is probably {shown(path)}): zip the "
        f"images again with a program that does; if it shows {shown(PurePosixPath(path).stem)}, "
        "--labels stem"
    )


def hint(paths: Sequence[str]) -> str:
    """A remark on names that may be labels or numbers of files, where nothing tells; else ""."""
    stems = [PurePosixPath(path).stem for path in paths]
    numbers = [stem for stem in stems if stem.isascii() and stem.isdecimal()]
    lengths = {len(stem) for stem in numbers}
    if len(numbers) < len(stems) or len(lengths) < 2 or any(s[0] == "0" != s for s in numbers):
        return ""
    return (
        f"all labels are numbers without leading zeros, {min(map(int, numbers))} to "
        f"{max(map(int, numbers))}, taken from the files' names: if they only number the files, "
        "give a table with --labels"
    )


def _wrongly_decoded(paths: Sequence[str], stems: Sequence[str]) -> str:
    for path, stem in zip(paths, stems, strict=True):
        if not stem.isascii() and stem.isprintable() and (meant := undone(stem)) != stem:
            return (
                f"the name {shown(path)} looks wrongly decoded ({shown(meant)}?): unpack the "
                "images again with a program that reads UTF-8 names"
            )
    return ""


def _double_ending(paths: Sequence[str], stems: Sequence[str]) -> str:
    double = [i for i, stem in enumerate(stems) if is_image_name(stem)]
    if not double:
        return ""
    first = stems[double[0]]
    ending = PurePosixPath(first).suffix
    all_same = all(PurePosixPath(stem).suffix == ending for stem in stems)
    pattern = f"{{label}}{ending}" if all_same else f"{{label}}[{ending}]"
    return (
        f"{len(double)} names have two endings ({shown(paths[double[0]])}): if it shows "
        f"{shown(PurePosixPath(first).stem)}, --labels '{pattern}'"
    )


def _copies(paths: Sequence[str], stems: Sequence[str]) -> str:
    found = [(i, match) for i, stem in enumerate(stems) if (match := _COPY.fullmatch(stem))]
    if not found:
        return ""
    i, match = found[0]
    if len({match["label"] for _, match in found}) == 1 < len(found) >= MOST * len(stems):
        return _no_labels("counters", paths, i)
    mark = re.sub(r"\d+", "{number}", match["mark"])
    return (
        f"{len(found)} names look like copies ({shown(paths[i])}): if it shows "
        f"{shown(match['label'])}, --labels '{{label}}[{mark}]'; if it shows {shown(stems[i])}, "
        "--labels stem"
    )


def _hashes(paths: Sequence[str], stems: Sequence[str]) -> str:
    plain = [
        i
        for i, stem in enumerate(stems)
        # Sixteen digits may be a number, sixteen letters a word.
        if _HASH.fullmatch(stem) and re.search(r"[a-f]", stem.lower()) and re.search(r"\d", stem)
    ]
    if len(plain) >= MOST * len(stems):
        return _no_labels("hashes", paths, plain[0])
    mixed = [i for i, stem in enumerate(stems) if _HASHED.fullmatch(stem)]
    if len(mixed) >= MOST * len(stems):
        first = re.fullmatch(rf"(.+?)([_\-. ]){_UUID}", stems[mixed[0]], re.IGNORECASE)
        pattern = f"{{label}}{first[2]}{{any}}" if first else "{any}_{label}"
        return (
            f"the names hold hashes ({shown(paths[mixed[0]])}): if the image shows what stands "
            f"beside it, --labels '{pattern}'; else give a table with --labels"
        )
    return ""


def _one_name(paths: Sequence[str], stems: Sequence[str]) -> str:
    if len(stems) < 2 or len(set(stems)) > 1 or len(set(paths)) < 2:
        return ""
    return (
        f"all images are called {shown(stems[0])}: if {shown(paths[0])} shows "
        f"{shown(PurePosixPath(paths[0]).parent.name)}, --labels folder; else give a table with "
        "--labels"
    )


def _counters(paths: Sequence[str], stems: Sequence[str]) -> str:
    called = [i for i, stem in enumerate(stems) if _COUNTED.fullmatch(stem)]
    if len(called) >= MOST * len(stems) and len(called) > 1:
        return _no_labels("counters", paths, called[0])
    camera = [i for i, stem in enumerate(stems) if _CAMERA.fullmatch(stem) or _is_epoch(stem)]
    if len(camera) >= MOST * len(stems) and len(camera) > 1:
        return _no_labels("times", paths, camera[0])
    running: dict[str, list[int]] = defaultdict(list)
    for i, stem in enumerate(stems):
        match = re.fullmatch(r"(.*?)(\d+)", stem)
        if match and match[2].isascii():
            running[match[1]].append(i)
    counted = [
        i
        for prefix, places in running.items()
        if (len(running) == 1 or len(places) >= MANY or not prefix[-1:].isalnum())
        and _runs([int(stems[i][len(prefix) :]) for i in places], with_word=bool(prefix))
        for i in places
    ]
    if len(counted) >= MOST * len(stems) and len(counted) >= FEW:
        return _no_labels("counters", paths, counted[0])
    return ""


def _runs(numbers: list[int], with_word: bool) -> bool:
    """Whether numbers behind one and the same text are those of a counter."""
    distinct = sorted(set(numbers))
    if len(distinct) < FEW:
        return False
    share = len(distinct) / (distinct[-1] - distinct[0] + 1)
    # A word that all share, with numbers that fill half of their range, names files.
    return share >= (0.5 if with_word else DENSE)


def _numbered(paths: Sequence[str], stems: Sequence[str]) -> str:
    """Labels with a number behind or before them, which tells apart images of one label."""
    for kind, pattern in (
        (re.compile(r"\d+_(?P<label>.+)_\d+"), "{number}_{label}_{number}"),
        (_NUMBERED, "{label}_{number}"),
        (_NUMBER_FIRST, "{number}_{label}"),
    ):
        fits = [i for i, stem in enumerate(stems) if kind.fullmatch(stem)]
        if len(fits) >= MOST * len(stems) and len(fits) > 1:
            match = kind.fullmatch(stems[fits[0]])
            assert match
            return (
                f"the names have a number beside something ({shown(paths[fits[0]])}): if it shows "
                f"{shown(match['label'])}, --labels '{pattern}'; if it shows "
                f"{shown(stems[fits[0]])}, --labels stem; else give a table with --labels"
            )
    known = Counter(stems)
    twins = [
        i
        for i, stem in enumerate(stems)
        if (match := _NUMBERED.fullmatch(stem)) and match["label"] in known
    ]
    if twins:
        match = _NUMBERED.fullmatch(stems[twins[0]])
        assert match
        return (
            f"{len(twins)} names are another one and a number ({shown(paths[twins[0]])}): if it "
            f"shows {shown(match['label'])}, --labels '{{label}}[_{{number}}]'; if it shows "
            f"{shown(stems[twins[0]])}, --labels stem"
        )
    return ""


def _same_word(paths: Sequence[str], stems: Sequence[str]) -> str:
    """Names that all begin or end with one word and an underscore, such as `captcha_ab3`."""
    if len(stems) < FEW or len(set(stems)) < FEW:
        return ""
    begin, end = _beginning(stems), _beginning([stem[::-1] for stem in stems])[::-1]
    begin = begin[: begin.rfind("_") + 1]
    end = end[end.find("_") :] if "_" in end else ""
    label = stems[0][len(begin) : len(stems[0]) - len(end)]
    if not (begin or end) or not label or re.search(r"[{}\[\]*/]", begin + end):
        return ""
    return (
        f"all names share {shown(begin or end)}: if {shown(paths[0])} shows {shown(label)}, "
        f"--labels '{begin}{{label}}{end}'; if it shows {shown(stems[0])}, --labels stem"
    )


def _beginning(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    first, last = min(texts), max(texts)
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(one for one, _ in pairs)


def _is_epoch(stem: str) -> bool:
    """Whether a name is a time in seconds or milliseconds since 1970, of this century."""
    if not (stem.isascii() and stem.isdecimal()) or len(stem) not in (10, 13):
        return False
    return 1.2e9 <= int(stem[:10]) <= 2.1e9


def _no_labels(what: str, paths: Sequence[str], place: int) -> str:
    folders = {PurePosixPath(path).parent.name for path in paths}
    by_folder = (
        f"; if {shown(paths[place])} shows {shown(PurePosixPath(paths[place]).parent.name)}, "
        "--labels folder"
        if len(folders) > 1 and "" not in folders
        else ""
    )
    return (
        f"the names look like {what}, no labels ({shown(paths[place])}): give a table of labels "
        f"with --labels, or put labels.csv (image,label) beside the images{by_folder}; if the "
        "names are the labels, --labels stem"
    )
