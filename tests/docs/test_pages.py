"""Pages for people: links that lead somewhere, short lines, plain words, commands that parse."""

import re
from importlib import import_module
from pathlib import Path

import click
import pytest

import spaces
from captcha_models.architectures import config_class
from tests.docs._shown import MODULES, PAGES, ROOT, check, commands, mentioned

ALL = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DIALECT = (
    "names it", "short of certainty", "what survives what", "one look at the locked",
    "confirmed alike", "had not begun to read", "labels of length mixed over", "epochs a space",
    "1 epochs", "1 seeds", "1 trials", "1 wrong files", "behind others at a rung",
    "own value of all that varies", "partly the lucky one", "what has ended is kept",
    "flattered itself", "it cannot be told",
    "how many went how far", "what went into whom", "choose a head to sort",
    "of the suggestions and", "1/n, whole",
)  # fmt: skip
"""Phrases of our own that readers did not understand."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def slugs(page: Path) -> set[str]:
    """What a page's headings are linked by."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        place, _, heading = link.partition("#")
        target = page.parent / place if place else page
        assert target.is_file(), link
        assert not heading or heading in slugs(target), link


@pytest.mark.parametrize("page", ALL, ids=name)
def test_lines_of_a_page_are_short(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    # A table's row is one line, however long.
    wide = [i for i, line in enumerate(lines, 1) if len(line) > 100 and not line.startswith("|")]
    assert not wide


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_speaks_plainly(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").lower().split())
    assert not [phrase for phrase in DIALECT if re.search(rf"\b{re.escape(phrase)}\b", text)]


def test_programs_speak_plainly() -> None:
    """Nor do they leave it to the reader whether it was one trial or several."""
    files = [file for place in ("search", "captcha_models", "spaces")
             for kind in ("py", "j2") for file in (ROOT / place).rglob(f"*.{kind}")]  # fmt: skip
    assert len(files) > 150
    plain = re.compile(
        r"(?<![.\w])(?!len\b)[A-Za-z]{3,}\(s\)|"
        + "|".join(map(re.escape, (*DIALECT, "partly luck")))
    )
    # "names it" is plain enough of a note that names a trial.
    found = {name(file): set(plain.findall(file.read_text(encoding="utf-8"))) for file in files}
    assert not {file: said for file, said in found.items() if said - {"names it"}}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_of_a_page_parse(page: Path) -> None:
    for command in commands(page):
        try:
            check(command)
        except (ValueError, click.UsageError) as error:
            pytest.fail(f"{command}: {error}")


def test_the_pages_show_many_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 50


@pytest.mark.parametrize(
    "command",
    [
        "python -m search.run --spaces crnn",
        "python -m search.confirm runs/a --seeds one",
        "captcha-search export runs/a --format torchscript",
        'make search ARGS="--trial 3"',
        "make everything",
        "python -m search.nothing --a",
    ],
)
def test_a_wrong_command_does_not_parse(command: str) -> None:
    with pytest.raises((ValueError, click.UsageError)):
        check(command)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_that_a_page_sets_exist(page: Path) -> None:
    fields = {
        field
        for ref in spaces.names()
        for field in config_class(spaces.load(ref).arch).model_fields
    }
    shown = [*commands(page), *mentioned(page)]
    assert not {name for code in shown for name in re.findall(r"--set ([a-z]\w*)=", code)} - fields


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_options_that_a_page_mentions_exist(page: Path) -> None:
    declared = {"--help"}
    for module, attribute in MODULES.items():
        for one in getattr(import_module(module), attribute).params:
            declared |= set(one.opts)
    shown = {code.split()[0].split("=")[0] for code in mentioned(page) if code.startswith("--")}
    assert not shown - declared - {"--wall"}  # Of a benchmark.
