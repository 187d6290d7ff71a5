"""Table of inputs, good and bad, one of each kind: what a command says and what is read.

python -m tests.captcha_models.data.labels.inputs > docs/inputs.md
"""

import io
import json
import re
import struct
import sys
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from captcha_models.cli import command_line
from captcha_models.data.images import LabelledImages
from captcha_models.data.options import read_chosen
from captcha_models.inspect import inspect
from search.evaluate import evaluate

Files = Mapping[str, bytes | str]


def picture(number: int, size: tuple[int, int] = (60, 20)) -> bytes:
    """A PNG that no other number has: black dots on white."""
    rng = np.random.default_rng(number)
    dots = rng.random((size[1], size[0])) < 0.3
    return encoded(Image.fromarray(np.where(dots, 0, 255).astype(np.uint8)))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """The bytes of an image's file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def pictures(*paths: str) -> dict[str, bytes]:
    """A picture for each path, all different."""
    return {path: picture(number) for number, path in enumerate(paths)}


def zipped(files: Files) -> bytes:
    """An archive of files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


_OLD = b"\xe4\xba\xff"
"""No UTF-8."""


def old_names(*names: str) -> bytes:
    """An archive whose names are in an encoding that it does not name."""
    files = {name.replace("ä", "aaa"): picture(i) for i, name in enumerate(names)}
    return zipped(files).replace(b"aaa", _OLD)


def info_zipped(*names: str) -> bytes:
    """An archive with its names in Info-ZIP's extra field, and in an old encoding besides."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, name in enumerate(names):
            member = zipfile.ZipInfo(f"aaa{number}.png")
            old, told = _OLD + f"{number}.png".encode(), name.encode()
            head = struct.pack("<HHBI", 0x7075, 5 + len(told), 1, zlib.crc32(old))
            member.extra = head + told
            archive.writestr(member, picture(number))
    return file.getvalue().replace(b"aaa", _OLD)


def unmarked(files: Files) -> bytes:
    """An archive whose names are UTF-8 and do not say so, as some programs write them."""
    data = bytearray(zipped(files))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        while place >= 0:
            (flags,) = struct.unpack_from("<H", data, place + offset)
            struct.pack_into("<H", data, place + offset, flags & ~0x800)
            place = data.find(mark, place + 4)
    return bytes(data)


def encrypted(files: Files) -> bytes:
    """An archive that says of its first member that it is encrypted."""
    data = bytearray(zipped(files))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


def table(rows: Mapping[str, str], header: str = "image,label", between: str = ",") -> str:
    """Lines of a table."""
    lines = [f"{path}{between}{label}" for path, label in rows.items()]
    return "\n".join([header, *lines] if header else lines) + "\n"


@dataclass(frozen=True)
class Case:
    """An input and what becomes of it.

    Attributes:
        name: what it is, in words.
        files: by path below the place of the case.
        data: what is given as DATA, below that place.
        options: of the command; a `@` stands for the place.
        labels: of the images that are read, by name; None if it is refused.
        says: parts of what is printed.
        check: of what was read.
        encoding: of the terminal.
        scored: given to `search.evaluate` with a model instead.
        code: exit code, where no labels are expected.
    """

    name: str
    files: Files
    options: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    says: tuple[str, ...] = ()
    data: str = "set"
    check: Callable[[LabelledImages], bool] = field(default=lambda images: True)
    encoding: str = "utf-8"
    scored: bool = False
    code: int = 2

    def place(self, folder: Path) -> Path:
        """The input on disk."""
        (folder / self.data.partition("/")[0]).parent.mkdir(parents=True, exist_ok=True)
        for path, data in self.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data.encode() if isinstance(data, str) else data)
        if "." not in self.data:
            (folder / self.data).mkdir(exist_ok=True)
        return folder / self.data

    def typed(self, folder: Path) -> list[str]:
        """The options, with the place in them."""
        return [word.replace("@", str(folder)) for word in self.options]


@dataclass(frozen=True)
class Outcome:
    """What the command did: its exit code, what it printed, and the images that it read."""

    code: int
    text: str
    images: LabelledImages | None


def outcome(case: Case, folder: Path) -> Outcome:
    """Run `captcha_models.inspect` on a case, and read the same images as a training does."""
    place = case.place(folder)
    words = case.typed(folder)
    typed = [str(model()), "--data", str(place)] if case.scored else [str(place)]
    kept = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(file, encoding=case.encoding) for file in kept)
    code = 0
    with (
        mock.patch.object(sys, "argv", ["command", *typed, *words]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
    ):
        try:
            command_line(evaluate if case.scored else inspect)
        except SystemExit as end:
            code = int(end.code or 0)
        # The command may have put others in their place.
        sys.stdout.flush()
        sys.stderr.flush()
        text = "".join(file.getvalue().decode(case.encoding) for file in kept)
    text = text.replace(str(place), "DATA")
    text = text.replace(str(folder), "PLACE")
    if code or case.scored:
        return Outcome(code, text, None)
    chosen: dict[str, Any] = {"data": str(place)}
    context = inspect.make_context("inspect", [str(place), *words])
    chosen |= {k: v for k, v in context.params.items() if k not in ("data", "html", "as_json")}
    return Outcome(code, text, read_chosen(chosen))


@cache
def model() -> Path:
    """A model with random weights, that knows the symbols of the article's images."""
    from tests.cli.test_predict import model_in

    return model_in(Path(tempfile.mkdtemp()), "crnn")


def told(case: Case, found: Outcome) -> str:
    """What the person is told besides the figures: the error, or how it was read."""
    if case.scored:
        return "; ".join(line for line in found.text.splitlines() if "model" in line)
    if found.images is None:
        return found.text.strip()
    return "; ".join(found.images.notes)


_FILES = ("ab3.png", "cd4.png", "ef5.png", "gh6.png")
_LABELS = dict(zip(_FILES, ("007", "1.10", "1e5", "x y"), strict=True))
_SET = {f"set/{path}": data for path, data in pictures(*_FILES).items()}
_STEMS = {path: path[:3] for path in _FILES}


def _labelled(text: str | bytes, path: str = "set/labels.csv") -> dict[str, bytes | str]:
    return {**_SET, path: text}


def _named(*paths: str) -> dict[str, bytes]:
    return {f"set/{path}": data for path, data in pictures(*paths).items()}


def _counted(number: int, form: str = "img_{:03d}.png") -> dict[str, bytes]:
    return _named(*(form.format(i) for i in range(number)))


def _ink(letters: int, alpha: bool = True) -> bytes:
    """A word in one grey on nothing: what is around it says nothing of its colour."""
    shape = np.zeros((20, 60, 4), np.uint8)
    shape[..., :3] = letters
    shape[5:15, 10:50:4, 3] = 255
    return encoded(Image.fromarray(shape if alpha else shape[..., :3]))


_RANDOM = [f"{n:04d}" for n in np.random.default_rng(0).permutation(10_000)[:40].tolist()]
_SOME = [str(n) for n in sorted(np.random.default_rng(1).permutation(9_999)[:40].tolist())]
_COCO = '{"images": [{"id": 1, "file_name": "ab3.png"}], "annotations": [{"bbox": [1, 2, 3, 4]}]}'
_MMOCR = json.dumps(
    {
        "metainfo": {},
        "data_list": [
            {"img_path": path, "instances": [{"text": text}]} for path, text in _LABELS.items()
        ],
    }
)

GOOD = [
    Case("names are labels, a folder", _SET, labels=_STEMS),
    Case("names are labels, a zip", {"set.zip": zipped(pictures(*_FILES))}, data="set.zip",
         labels=_STEMS),
    Case("names are labels, a zip with a folder in it", {
        "set.zip": zipped(pictures(*(f"deep/{path}" for path in _FILES)))}, data="set.zip",
         labels=_STEMS),
    Case("names in any script, with spaces", _named("日本.png", "абв.png", "a b.png", "ß.png"),
         labels={"日本.png": "日本", "абв.png": "абв", "a b.png": "a b", "ß.png": "ß"}),
    Case("the same in a terminal that knows ASCII alone", _named("日本.png", "абв.png"),
         labels={"日本.png": "日本", "абв.png": "абв"}, encoding="ascii", says=(r"\u65e5:1",)),
    Case("composed and decomposed letters", _named("e\u0301a.png", "éb.png", "c.png"),
         labels={"e\u0301a.png": "éa", "éb.png": "éb", "c.png": "c"}),
    Case("names that differ in case alone", _named("aB3.png", "Ab3.png", "cd4.png"),
         labels={"aB3.png": "aB3", "Ab3.png": "Ab3", "cd4.png": "cd4"},
         says=("2 labels differ in upper and lower case alone (Ab3, aB3)",)),
    Case("the same with --ignore-case", _named("aB3.png", "Ab3.png", "cd4.png"),
         ("--ignore-case",), {"aB3.png": "ab3", "Ab3.png": "ab3", "cd4.png": "cd4"}),
    Case("one label several times", _named("x/ab3.png", "y/ab3.png", "y/ab3.jpg", "y/cd4.png"),
         labels={"x/ab3.png": "ab3", "y/ab3.png": "ab3", "y/ab3.jpg": "ab3", "y/cd4.png": "cd4"}),
    Case("numbers of four digits, by chance", _named(*(f"{n}.png" for n in _RANDOM)),
         labels={f"{n}.png": n for n in _RANDOM}),
    Case("numbers up to 9999, by chance", _named(*(f"{n}.png" for n in _SOME)),
         labels={f"{n}.png": n for n in _SOME}, says=("numbers without leading zeros",)),
    Case("prices", _named("1.99.png", "12.50.png", "0.05.png", "7.00.png"),
         labels={"1.99.png": "1.99", "12.50.png": "12.50", "0.05.png": "0.05", "7.00.png": "7.00"}),
    Case("dates", _named("2020-01-02.png", "1999-12-31.png", "2011-07-05.png"),
         labels={"2020-01-02.png": "2020-01-02", "1999-12-31.png": "1999-12-31",
                 "2011-07-05.png": "2011-07-05"}),
    Case("short words of hexadecimal letters", _named("2b827.png", "4c8e8.png", "bd7f2.png"),
         labels={"2b827.png": "2b827", "4c8e8.png": "4c8e8", "bd7f2.png": "bd7f2"}),
    Case("the name of the folder", _named("7/img1.png", "7/img2.png", "8/img1.png"),
         ("--labels", "folder"), {"7/img1.png": "7", "7/img2.png": "7", "8/img1.png": "8"}),
    Case("a pattern: a number behind", _named("ab_1.png", "ab_2.png", "c_1_1.png"),
         ("--labels", "{label}_{number}"),
         {"ab_1.png": "ab", "ab_2.png": "ab", "c_1_1.png": "c_1"}),
    Case("a pattern: a prefix", _named("ab-x-1.png", "cd-y.png"), ("--labels", "{label}-*"),
         {"ab-x-1.png": "ab", "cd-y.png": "cd"}),
    Case("a pattern: a suffix", _named("1_x_ab.png", "2_cd.png"), ("--labels", "{any}_{label}"),
         {"1_x_ab.png": "ab", "2_cd.png": "cd"}),
    Case("a pattern: what may be missing", _named("ab (1).png", "ab.png", "cd.png"),
         ("--labels", "{label}[ ({number})]"),
         {"ab (1).png": "ab", "ab.png": "ab", "cd.png": "cd"}),
    Case("a pattern with a group", _named("w1_ab_1.png", "w1_cd_2.png", "w2_ab_3.png"),
         ("--labels", "{group}_{label}_{number}"),
         {"w1_ab_1.png": "ab", "w1_cd_2.png": "cd", "w2_ab_3.png": "ab"},
         check=lambda images: images.groups == ("w1", "w1", "w2")),
    Case("counters that are labels, as the person says", _counted(5), ("--labels", "stem"),
         {f"img_{i:03d}.png": f"img_{i:03d}" for i in range(5)}),
    Case("a table: CSV", _labelled(table(_LABELS)), labels=_LABELS,
         says=("table labels.csv (image in image, label in label)",)),
    Case("a table: other names", _labelled(table(_LABELS, "FileName,Ground Truth"), "set/x.csv"),
         labels=_LABELS),
    Case("a table: TSV", _labelled(table(_LABELS, "file\ttext", "\t"), "set/l.tsv"),
         labels=_LABELS),
    Case("a table: semicolons and decimal commas", _labelled(
        table({**_LABELS, "ab3.png": "1,50"}, "file;text", ";")),
         labels={**_LABELS, "ab3.png": "1,50"}),
    Case("a table: JSON Lines, numbers as they are written", _labelled(
        '{"image": "ab3.png", "label": 7}\n{"image": "cd4.png", "label": 1.10}\n'
        '{"image": "ef5.png", "label": 1e5}\n{"image": "gh6.png", "label": "x y"}\n',
        "set/labels.jsonl"), labels={**_LABELS, "ab3.png": "7"}),
    Case("a table: MMOCR", _labelled(_MMOCR, "set/labels.json"), labels=_LABELS),
    Case("a table: TRDG's labels.txt", _labelled(table(_LABELS, "", " "), "set/labels.txt"),
         labels=_LABELS),
    Case("a table: names with spaces, no quotation marks", {
        **_named("my a.png", "my a 2.png"), "set/labels.txt": "my a.png x y\nmy a 2.png z\n"},
         labels={"my a.png": "x y", "my a 2.png": "z"}),
    Case("a table: PaddleOCR's list", _labelled(
        table({f"set/{path}": text for path, text in _LABELS.items()}, "", "\t"),
        "set/rec_gt.txt"), labels=_LABELS),
    Case("a table: PaddleOCR's, quotation marks kept", _labelled(
        table({**_LABELS, "ab3.png": '"a"'}, "", "\t"), "set/rec_gt.txt"),
         labels={**_LABELS, "ab3.png": '"a"'}),
    Case("a table: ICDAR's gt.txt", _labelled(
        table({path: f'"{text}"' for path, text in _LABELS.items()}, "", ", "), "set/gt.txt"),
         labels=_LABELS),
    Case("a table: byte order mark, Windows line ends", _labelled(
        b"\xef\xbb\xbf" + table(_LABELS).replace("\n", "\r\n").encode()), labels=_LABELS),
    Case("a table: UTF-16", _labelled(table({**_LABELS, "ab3.png": "ä"}).encode("utf-16")),
         labels={**_LABELS, "ab3.png": "ä"}),
    Case("a table: quoted cells, slash, leading dot, spaces", _labelled(
        'image,label\nab3.png,"1,234"\ncd4.png,1/2\nef5.png,.5\ngh6.png,"say ""a b"""\n'),
         labels={"ab3.png": "1,234", "cd4.png": "1/2", "ef5.png": ".5", "gh6.png": 'say "a b"'}),
    Case("a table: white space around labels", _labelled(
        table({**_LABELS, "ab3.png": " 007 "})), labels=_LABELS,
         says=("white space around 1 label is left out",)),
    Case("a table: pandas' index", _labelled(
        ",file,text\n" + "".join(f"{i},{p},{t}\n" for i, (p, t) in enumerate(_LABELS.items()))),
         labels=_LABELS),
    Case("a table: columns named by the person", _labelled(
        "a,b,c\n" + "".join(f"{p},-,{t}\n" for p, t in _LABELS.items())),
         ("--columns", "label=c"), _LABELS),
    Case("a table: columns by number", _labelled(
        "".join(f"-,{t},{p}\n" for p, t in _LABELS.items())),
         ("--columns", "image=3,label=2"), _LABELS),
    Case("a table: paths of another machine", _labelled(
        table({rf"C:\data\set\{path}": text for path, text in _LABELS.items()})), labels=_LABELS),
    Case("a table: names without ending", _labelled(
        table({path[:3]: text for path, text in _LABELS.items()})), labels=_LABELS),
    Case("a table: composed names of decomposed files", {
        **_named("e\u0301.png", "b.png"), "set/labels.csv": table({"é.png": "1", "b.png": "2"})},
         labels={"e\u0301.png": "1", "b.png": "2"}),
    Case("a table inside a zip", {
        "set.zip": zipped({**pictures(*_FILES), "labels.csv": table(_LABELS)})}, data="set.zip",
         labels=_LABELS),
    Case("a table beside a zip", {"set.zip": zipped(pictures(*_FILES)), "set.csv": table(_LABELS)},
         data="set.zip", labels=_LABELS),
    Case("a table beside a folder", _labelled(table(
        {f"set/{path}": text for path, text in _LABELS.items()}), "labels.csv"), labels=_LABELS),
    Case("a table as DATA", _labelled(table(_LABELS)), data="set/labels.csv", labels=_LABELS),
    Case("a table and a zip in a folder", {
        "set/all.zip": zipped(pictures(*_FILES)), "set/labels.csv": table(_LABELS)},
         labels=_LABELS),
    Case("a table named by the person, of two", {
        **_labelled(table(_LABELS)), "set/old.csv": table({**_LABELS, "ab3.png": "9"})},
         ("--labels", "labels.csv"), _LABELS),
    Case("a table elsewhere", _labelled(table(_LABELS), "elsewhere/l.csv"),
         ("--labels", "@/elsewhere/l.csv"), _LABELS),
    Case("rows of images that are not there", _labelled(table({**_LABELS, "zz.png": "9"})),
         labels=_LABELS, says=("1 row is of an image that is not there (zz.png)",)),
    Case("images without a row", {**_labelled(table(_LABELS)), "set/zz.png": picture(9)},
         labels=_LABELS, says=("1 image has no row and is left out (zz.png)",)),
    Case("an empty label", {
        **_labelled(table({**_LABELS, "zz.png": ""})), "set/zz.png": picture(9)},
         labels=_LABELS, says=("1 image has an empty label",)),
    Case("one row twice", _labelled(table(_LABELS) + "ab3.png,007\n"), labels=_LABELS),
    Case("a README beside a table", {**_labelled(table(_LABELS)), "set/README.md": "# Images\n"},
         labels=_LABELS),
    Case("a text beside each image", {
        **_SET, **{f"set/{p[:3]}.gt.txt": f"{t}\n" for p, t in _LABELS.items()}}, labels=_LABELS),
    Case("corrections", {**_SET, "c.csv": "image,label\nab3.png,xx\ncd4.png,\n"},
         ("--corrections", "@/c.csv"), {"ab3.png": "xx", "ef5.png": "ef5", "gh6.png": "gh6"},
         says=("1 label replaced, 1 image left out",)),
    Case("backslashes in a zip, with a table", {"set.zip": zipped(
        {**pictures(*(f"a\\{path}" for path in _FILES)), "labels.csv": table(
            {f"a/{path}": text for path, text in _LABELS.items()})})}, data="set.zip",
         labels=_LABELS),
    Case("names not marked as UTF-8 in a zip, as the person says",
         {"set.zip": unmarked(pictures("äb.png", "cd.png"))}, ("--labels", "stem"),
         {"äb.png": "äb", "cd.png": "cd"}, data="set.zip"),
    Case("names are labels, and a text that mentions one", {
        **_SET, "set/README.txt": "Such as\nab3.png which\nis good\nto read\n"}, ("--skip-bad",),
         _STEMS),
    Case("names in Info-ZIP's extra field", {"set.zip": info_zipped("öb.png", "日.png")},
         data="set.zip", labels={"öb.png": "öb", "日.png": "日"}),
    Case("a wrong image, left out", {**_SET, "set/zz9.png": b"no image"}, ("--skip-bad",), _STEMS,
         says=("1 wrong",)),
    Case("hidden files", {**_SET, "set/.DS_Store": b"x", "set/__MACOSX/._ab3.png": b"x"},
         labels=_STEMS),
    Case("dark letters on nothing", {**_SET, "set/zz9.png": _ink(0)},
         labels={**_STEMS, "zz9.png": "zz9"},
         check=lambda images: int(images.pixels[4].max()) > 200),
    Case("white letters on nothing", {**_SET, "set/zz9.png": _ink(255)},
         labels={**_STEMS, "zz9.png": "zz9"},
         check=lambda images: int(images.pixels[4].min()) < 100),
    Case("an image of one colour", {**_SET, "set/zz9.png": encoded(Image.new("L", (60, 20), 9))},
         labels={**_STEMS, "zz9.png": "zz9"}, says=("one colour",)),
    Case("widths from 24 to 780 px", {
        **_SET, "set/k.png": picture(9, (24, 40)), "set/long8.png": picture(8, (780, 40))},
         labels={**_STEMS, "k.png": "k", "long8.png": "long8"},
         check=lambda images: images.is_ragged),
    Case("a size that is asked for", _SET, ("--size", "32x100"), _STEMS,
         check=lambda images: images.pixels.shape[2:] == (32, 100)),
    Case("a split in folders", _named("train/ab3.png", "train/cd4.png", "val/ef.png", "test/g.png"),
         labels={"test/g.png": "g", "train/ab3.png": "ab3", "train/cd4.png": "cd4",
                 "val/ef.png": "ef"}, says=("the folders are a split",),
         check=lambda images: images.parts == ("test", "train", "train", "valid")),
    Case("a split in a column", _labelled("image,label,split\nab3.png,a,train\ncd4.png,b,Train\n"
         "ef5.png,c,val\ngh6.png,d,test\n"),
         labels={"ab3.png": "a", "cd4.png": "b", "ef5.png": "c", "gh6.png": "d"},
         check=lambda images: images.parts == ("train", "train", "valid", "test")),
    Case("a split in two lists", {
        **_SET, "set/train_list.txt": "ab3.png a\ncd4.png b\n", "set/val_list.txt": "ef5.png c\n"
        "gh6.png d\n"}, labels={"ab3.png": "a", "cd4.png": "b", "ef5.png": "c", "gh6.png": "d"},
         check=lambda images: images.parts == ("train", "train", "valid", "valid")),
    Case("a table in each folder of a split", {
        **_named("train/1.png", "train/2.png", "test/1.png"),
        "set/train/labels.csv": "image,label\n1.png,a\n2.png,b\n",
        "set/test/labels.csv": "image,label\n1.png,c\n"},
         labels={"test/1.png": "c", "train/1.png": "a", "train/2.png": "b"},
         check=lambda images: images.parts == ("test", "train", "train")),
    Case("a group in a column", {
        **_named(*(f"{i}.png" for i in range(24))), "set/labels.csv": "file,text,receipt\n"
        + "".join(f"{i}.png,{i:02d},r{i // 3}\n" for i in range(24))},
         labels={f"{i}.png": f"{i:02d}" for i in range(24)},
         check=lambda images: images.groups is not None and len(set(images.units)) == 8),
    Case("one picture twice", {**_SET, "set/zz9.png": picture(0)},
         labels={**_STEMS, "zz9.png": "zz9"},
         check=lambda images: images.units[0] == images.units[4]),
]  # fmt: skip

BAD = [
    Case("counters", _counted(5), says=("look like counters", "--labels stem")),
    Case("counters, and a table of other images, --skip-bad", {
        **_counted(5), "set/labels.csv": "image,label\nx1.png,a\nx2.png,b\n"}, ("--skip-bad",),
         says=("labels.csv names none of the 5 images",)),
    Case("counters, and a table that cannot be read, --skip-bad", {
        **_counted(5), "set/labels.csv": b"image,label\nimg_000.png,\xff\xfe\xfd\n"},
         ("--skip-bad",), says=("labels.csv is not UTF-8",)),
    Case("an error in a terminal that knows ASCII alone", {**_SET, "set/ä.png": b""},
         encoding="ascii", says=(r"\xe4.png is empty",)),
    Case("counters without a word", _counted(9, "{:04d}.png"), says=("look like counters",)),
    Case("counters in folders", _named("7/img1.png", "7/img2.png", "8/img1.png"),
         says=("look like counters", "--labels folder")),
    Case("a spreadsheet", {**_SET, "set/labels.xlsx": b"PK"}, ("--skip-bad",),
         says=("labels.xlsx may hold the labels and is not read: save it as labels.csv",)),
    Case("one word before each name", _named("cap_ab3.png", "cap_cd4.png", "cap_ef5.png"),
         says=("'cap_{label}'",)),
    Case("MJSynth", {**_named("1_slink_7.png", "2_fire_9.png"),
         "set/annotation.txt": "./1_slink_7.png 7\n./2_fire_9.png 9\n"},
         says=("'{number}_{label}_{number}' reads slink",)),
    Case("IAM's words.txt, --skip-bad", {**_named("a01-00.png", "a01-01.png"), "set/words.txt":
         "# words\na01-00 ok 154 408 768 27 51 AT A\na01-01 ok 154 507 766 213 48 NN MOVE\n"},
         ("--skip-bad",), says=("words.txt has more than a file and its text in a line",)),
    Case("times", _named("IMG_20201127_224944.png", "IMG_20201128_102030.png"),
         says=("look like times",)),
    Case("hashes", _named(*(f"{'%032x' % (0xa3b1c5d7e9f2 * 7**i * 10**16)}.png" for i in range(4))),
         says=("look like hashes",)),
    Case("labels and hashes", _named(
        *(f"{label}_550e8400-e29b-41d4-a716-44665544000{i}.png"
          for i, label in enumerate(("ab", "cd", "ef")))), says=("hold hashes", "'{label}_{any}'")),
    Case("labels and numbers", _named("ab_1.png", "ab_2.png", "cd_1.png"),
         says=("a number beside", "'{label}_{number}'")),
    Case("a label and a label with a number", _named("ab.png", "ab_2.png", "cd.png"),
         says=("'{label}[_{number}]'",)),
    Case("copies", _named("ab (1).png", "ab.png", "cd.png"), says=("look like copies",
         "'{label}[ ({number})]'")),
    Case("copies by other programs", _named("ab - Kopie.png", "ab.png", "cd_copy.png"),
         says=("look like copies",)),
    Case("a pattern that leaves copies", _named("ab - Kopie.png", "ab.png", "cd_copy.png"),
         ("--labels", "{label}[ - Kopie]"), says=("look like copies (cd_copy",)),
    Case("two endings", _named("ab.png.png", "cd.png.png"), says=("two endings", "'{label}.png'")),
    Case("one name in many folders", _named("ab/image.png", "cd/image.png"),
         says=("all images are called image", "--labels folder")),
    Case("backslashes in a zip", {"set.zip": zipped(pictures("a\\ab3.png", "a\\cd4.png"))},
         data="set.zip", says=("backslashes",)),
    Case("names not marked as UTF-8 in a zip", {"set.zip": unmarked(pictures("äb.png", "cd.png"))},
         data="set.zip", says=("äb.png",)),
    Case("names in an old encoding in a zip", {"set.zip": old_names("äb.png", "cd.png")},
         data="set.zip", says=("in which encoding", "give the folder")),
    Case("names wrongly decoded in a folder", _named("Ã¤b.png", "cd.png"),
         says=("wrongly decoded (äb?)",)),
    Case("an image with two labels", _labelled(table(_LABELS) + "ab3.png,8\n"),
         says=("ab3.png has two labels: 007 in line 2 and 8 in line 6",)),
    Case("two tables that differ", {
        **_labelled(table(_LABELS)), "set/old.csv": table({**_LABELS, "ab3.png": "9"})},
         says=("two tables that contradict", "--labels labels.csv or --labels old.csv")),
    Case("an image in two parts", {
        **_SET, "set/train.txt": "ab3.png a\ncd4.png b\n", "set/val.txt": "ab3.png a\ngh6.png d\n"},
         says=("take it out of one of them",)),
    Case("mostly empty labels", _labelled(table({**dict.fromkeys(_LABELS, ""), "ab3.png": "a"})),
         says=("3 of 4 labels are empty",)),
    Case("few images of many rows", {
        **_SET, "set/labels.csv": table({"ab3.png": "a", **{f"x{i}.png": "b" for i in range(9)}})},
         says=("labels.csv: 1 of the images that it names are in",)),
    Case("a quotation mark that is not closed", _labelled(
        'image,label\nab3.png,"007\ncd4.png,8\nef5.png,9\n'),
         says=("unexpected end of data",)),
    Case("a label with a comma and no quotation marks", _labelled(
        table({**_LABELS, "ab3.png": "1,234"})), says=("line 2: 3 cells where others have 2",)),
    Case("a table in an old encoding", _labelled(
        table({**_LABELS, "ab3.png": "ä"}).encode("cp1252")),
         says=("labels.csv is not UTF-8",)),
    Case("a label of two lines", _labelled('image,label\nab3.png,"a\nb"\ncd4.png,8\n'),
         says=("line 2: the label 'a\\nb'",)),
    Case("columns that may both be labels", _labelled(
        "file,label,text\n" + "".join(f"{p},1,{t}\n" for p, t in _LABELS.items())),
         says=("several of its columns may be the label", "--columns label=label")),
    Case("columns with names that say nothing", _labelled(
        "a,b,c\n" + "".join(f"{p},-,{t}\n" for p, t in _LABELS.items())),
         says=("several of its columns", "--columns label=b")),
    Case("a column that is not there", _labelled(table(_LABELS)), ("--columns", "label=x"),
         says=("has no such column; it has image, label",)),
    Case("a role that is none", _labelled(table(_LABELS)), ("--columns", "word=x"),
         says=("write ROLE=NAME",)),
    Case("a part that is none", _labelled(
        "image,label,z\n" + "".join(f"{p},{t},7\n" for p, t in _LABELS.items())),
         ("--columns", "split=z"), says=("the part 7 is none of train, valid, test",)),
    Case("a pattern without a label", _SET, ("--labels", "{number}"), says=("{label} is missing",)),
    Case("a pattern with an unknown name", _SET, ("--labels", "{label}_{x}"), says=("{x}",)),
    Case("a pattern that does not fit", _SET, ("--labels", "{label}_{number}"),
         says=("does not fit 4 of 4 images", "ab3.png")),
    Case("a table that is not there", _SET, ("--labels", "l.csv"), says=("no such table",)),
    Case("images in no folder of their own", _SET, ("--labels", "folder"),
         says=("lie in no folder of their own",)),
    Case("COCO", _labelled(_COCO, "set/labels.json"), says=("COCO",)),
    Case("ICDAR's boxes", {**_SET, **{f"set/gt_{path[:3]}.txt": "1,2,3,4,5,6,7,8,word\n"
         for path in _FILES}}, says=("boxes on a page",)),
    Case("LMDB", {"set/data.mdb": b"x", "set/lock.mdb": b"x"}, says=("LMDB",)),
    Case("Parquet", {"set/train.parquet": b"x"}, says=("parquet",)),
    Case("a zip that leads out", {"set.zip": zipped({**pictures(*_FILES), "../x.png": picture(9)})},
         data="set.zip", says=("leads out of it",)),
    Case("an encrypted zip", {"set.zip": encrypted(pictures(*_FILES))}, data="set.zip",
         says=("encrypted",)),
    Case("no zip", {"set.tar.gz": b"\x1f\x8b no zip"}, data="set.tar.gz",
         says=("no readable zip",)),
    Case("one path twice in a zip", {"set.zip": zipped(
        {**pictures("a/ab3.png", "a/cd4.png"), "a\\ab3.png": picture(9)})}, data="set.zip",
         says=("twice",)),
    Case("a wrong image", {**_SET, "set/zz9.png": b"no image"},
         says=("zz9.png is no readable image", "--skip-bad")),
    Case("an empty image", {**_SET, "set/zz9.png": b""}, says=("zz9.png is empty",)),
    Case("a text among images", {**_SET, "set/notes.txt": "nothing\n"}, says=("notes.txt",)),
    Case("an empty folder", {}, says=("has no images",)),
    Case("a folder that is not there", {}, data="none.x", says=("no such folder",)),
    Case("an alphabet of one symbol", _named("aa.png", "aaa.png"), says=("at least 2 different",)),
    Case("a correction of an image that is not there", {**_SET, "c.csv": "image,label\nzz.png,x\n"},
         ("--corrections", "@/c.csv"), says=("1 of its images are not in", "zz.png")),
    Case("corrections that are not there", _SET, ("--corrections", "@/c.csv"),
         says=("no such file",)),
    Case("a size that is none", _SET, ("--size", "big"), says=("write HEIGHTxWIDTH",)),
]  # fmt: skip

SCORED = [
    Case("a model: images that it has not seen", _named("2b827.png", "4c8e8.png"), scored=True,
         code=0, says=("never seen",)),
    Case("a model: labels with symbols that it does not know", _named("2b827.png", "ÄÖ.png"),
         scored=True, code=0,
         says=("1 of 2 labels have symbols that the model does not know (Ä, Ö)",)),
    Case("a model: a part of images that it has not seen", _named("2b827.png", "4c8e8.png"),
         ("--split", "train"), scored=True, says=("the model has seen none of these images",)),
]  # fmt: skip
"""Inputs of `search.evaluate`."""

CASES = [*GOOD, *BAD, *SCORED]


def page() -> str:
    """The table in Markdown, from what really happens."""
    lines = [
        "# What is read, and what is refused",
        "",
        "Every row is a test (`tests/captcha_models/data/labels/test_inputs.py`), run through",
        "`python -m captcha_models.inspect`. This page is what",
        "`python -m tests.captcha_models.data.labels.inputs` prints. DATA stands for what is",
        "given, `@` for its folder. The rows of a model are those of",
        "`search.evaluate MODEL --data DATA`.",
        "What ends a process, and trials that fail: `tests/cli/test_terminate.py`,",
        "`tests/cli/test_terminals.py`.",
        "",
        "| input | options | exit code | said | labels that are trained on |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            found = outcome(case, Path(folder))
            labels = list(dict.fromkeys(found.images.labels)) if found.images else []
        options = " ".join(case.options)
        cells = (
            case.name,
            f"`{options}`" if options else "",
            str(found.code),
            told(case, found),
            ", ".join(f"`{label}`" for label in labels[:4]) + ", ..." * (len(labels) > 4),
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    text = unicodedata.normalize("NFC", re.sub(r"\s+", " ", text))
    return text.replace("|", r"\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(page(), end="")
