"""Settings, configurations and command lines of any kind, as a person may type them."""

import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captcha_models.architectures import config_class
from captcha_models.cli import command_line
from captcha_models.config import read_values
from captcha_models.errors import InputError
from search.tuning.settings import Settings
from tests.fuzz._inputs import TRIED, fuzz
from tests.search.report import runs

pytestmark = pytest.mark.slow

texts = st.text(max_size=12) | st.sampled_from(
    ["1e999", "nan", "-1", "0", "1/0", "1/3", "auto", "9" * 400, "12h", "0x1", "٣", "=", "a=b"]
)
anything = st.one_of(
    texts, st.integers(), st.floats(), st.none(), st.booleans(), st.lists(texts, max_size=3),
    st.dictionaries(texts, texts, max_size=3), st.binary(max_size=4),
)  # fmt: skip


@fuzz
@given(
    st.dictionaries(st.sampled_from(sorted(Settings.model_fields)) | texts, anything, max_size=6)
)
def test_settings(given_values: dict[str, object]) -> None:
    TRIED["settings"] += 1
    try:
        settings = Settings.parse({"spaces": ("crnn",), **given_values})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert Settings.parse(settings.model_dump(mode="json")) == settings
        assert all(0 < rung < settings.epochs for rung in settings.rungs)


@fuzz
@given(arch=st.sampled_from(["crnn", "pooled", "spatial"]), data=st.data())
def test_configurations(arch: str, data: st.DataObject) -> None:
    TRIED["configurations"] += 1
    fields = sorted(config_class(arch).model_fields)
    keys = st.sampled_from(fields) | texts
    try:
        config_class(arch).parse(data.draw(st.dictionaries(keys, anything, max_size=5)))
    except InputError as error:
        assert "\n" not in str(error)


@fuzz
@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_configuration_files(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    TRIED["configuration files"] += 1
    file = tmp_path_factory.mktemp("toml") / "a.toml"
    file.write_bytes(data)
    try:
        read_values(str(file), "crnn")
    except InputError as error:
        assert "\n" not in str(error)


COMMANDS = {
    # What each is given besides, so that it never comes to train.
    ("search.run", "search"): ("--resume", "--name", "none"),
    ("search.analyse", "analyse"): (),
    ("search.confirm", "main"): ("--seeds", "1"),
    ("search.evaluate", "evaluate"): ("--data", "/none"),
    ("captcha_models.train", "train"): ("--data", "/none"),
    ("captcha_models.predict", "predict"): (),
    ("captcha_models.export", "export"): ("--format", "none"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    runs.write(folder / "run", trials=2, images=False)
    return folder


@fuzz
@given(chosen=st.sampled_from(sorted(COMMANDS)), data=st.data())
def test_command_lines(place: Path, chosen: tuple[str, str], data: st.DataObject) -> None:
    """Exit code 0 or 2, one line for an error, and nothing written."""
    TRIED["command lines"] += 1
    module, name = chosen
    command = getattr(import_module(module), name)
    flags = [
        flag for option in command.params if isinstance(option, click.Option)
        for flag in option.opts if flag not in ("--html", "--csv", "--out", "--output")
    ]  # fmt: skip
    word = st.sampled_from([*flags, "run", "none", "--help"]) | texts
    typed = [w for w in data.draw(st.lists(word, max_size=6)) if "\0" not in w]
    before = sorted(place.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "argv", [module, *typed, *COMMANDS[chosen]])
        with pytest.raises(SystemExit) as ended:
            command_line(command)
    assert ended.value.code in (0, 2)
    assert sorted(place.rglob("*")) == before
