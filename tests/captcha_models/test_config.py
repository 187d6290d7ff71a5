from pathlib import Path

import pytest

from captcha_models.architectures import config_class, names
from captcha_models.cli import assignments
from captcha_models.config import SHIPPED, read_values
from captcha_models.errors import InputError


@pytest.mark.parametrize("arch", names())
def test_the_defaults_are_the_source_values(arch: str) -> None:
    config = config_class(arch).parse({})
    assert (config.epochs, config.batch_size, config.lr) == (60, 8, 3e-3)
    assert (config.augment, config.normalize, config.clip) == (1.0, False, 0.0)


@pytest.mark.parametrize("arch", names())
def test_saved_and_read_back(arch: str, tmp_path: Path) -> None:
    config = config_class(arch).parse({"lr": "0.01", "epochs": "7", "normalize": "true"})
    config.save(tmp_path / "c.toml")
    assert config_class(arch).parse(read_values(str(tmp_path / "c.toml"), arch)) == config


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path: Path) -> None:
    name, _, arch = path.stem.rpartition("-")
    assert config_class(arch).parse(read_values(name, arch)).arch == arch


def test_configurations_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no configuration 'nope'.*quick"):
        read_values("nope", "crnn")
    (tmp_path / "broken.toml").write_text("lr = = 3")
    with pytest.raises(InputError, match="is not a TOML configuration"):
        read_values(str(tmp_path / "broken.toml"), "crnn")
    with pytest.raises(InputError, match="written for arch 'crnn', not 'pooled'"):
        read_values(str(SHIPPED / "quick-crnn.toml"), "pooled")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0}, "lr = 0: must be greater than 0"),
        ({"lr": "fast"}, "lr = 'fast': must be a valid number"),
        ({"lr": "nan"}, "lr"),
        ({"batch_size": 1}, "batch_size = 1: must be greater than or equal to 2"),
        ({"epochs": 1.5}, "epochs = 1.5: must be a valid integer"),
        ({"learning_rate": 1}, "unknown option 'learning_rate'; crnn knows: epochs, "),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config_class("crnn").parse(values)


def test_assignments() -> None:
    assert assignments(("lr=3e-3", "cut=6")) == {"lr": "3e-3", "cut": "6"}
    with pytest.raises(InputError, match="write NAME=VALUE"):
        assignments(("lr",))
    with pytest.raises(InputError, match="given twice"):
        assignments(("lr=1", "lr=2"))
