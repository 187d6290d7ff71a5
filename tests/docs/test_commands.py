"""The reference of the commands is what the code declares."""

from docs.write_commands import PAGE, found, text
from search.__main__ import COMMANDS


def test_the_reference_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == text(), "python -m docs.write_commands writes docs/commands.md anew"


def test_every_option_is_in_it_and_says_what_it_does() -> None:
    page = text()
    for name in COMMANDS:
        for parameter in found(name).params:
            if option := [one for one in parameter.opts if one.startswith("--")]:
                assert f"`{option[0]}" in page
                assert getattr(parameter, "help", None), f"{name} {option[0]}"
