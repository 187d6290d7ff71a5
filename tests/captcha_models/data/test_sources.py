from collections.abc import Iterator
from pathlib import Path

import pytest
from fastai.data.external import fastai_cfg

from captcha_models.data import sources
from captcha_models.data.geometry import Geometry
from captcha_models.data.sources import open_images, synthetic
from captcha_models.errors import InputError

# fastai leaves the configuration file that it writes open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def closed_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No cache, and an archive on a host that refuses: a closed port of this machine."""
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path))
    fastai_cfg.cache_clear()
    monkeypatch.setattr(sources, "ARTICLE_ARCHIVE", "https://127.0.0.1:9/captcha_images_v2.zip")
    yield tmp_path
    fastai_cfg.cache_clear()


def test_auto_falls_back_to_the_generator(closed_network: Path) -> None:
    images = open_images("auto")
    assert images.source.startswith("generator")
    assert len(images) == 1040
    assert images.digest == open_images("synthetic").digest


def test_a_closed_network_is_said_and_leaves_nothing(closed_network: Path) -> None:
    with pytest.raises(InputError, match="is the network closed"):
        open_images("download")
    assert not [path for path in closed_network.rglob("*") if path.suffix in (".zip", ".part")]


def test_what_was_downloaded_before_is_used(closed_network: Path, real_images: Path) -> None:
    import zipfile

    with zipfile.ZipFile(real_images) as zipped:
        zipped.extractall(closed_network / "data")
    assert len(open_images("auto")) == len(open_images("download")) == 936


def test_synthetic_is_a_pure_function_of_number_and_seed() -> None:
    one, same, other = synthetic(50, 1), synthetic(50, 1), synthetic(50, 2)
    assert one.digest == same.digest != other.digest
    assert len(set(one.labels)) == 50
    assert list(one.names) == sorted(one.names)


def test_generated_images_have_the_size_that_is_asked_for() -> None:
    plain = open_images("synthetic:5")
    assert open_images("synthetic:5", size="50x200").digest == plain.digest
    small = open_images("synthetic:5", size="32x100")
    assert small.pixels.shape == (5, 1, 32, 100)
    assert small.geometry == Geometry(height=32, width=100)
    model = Geometry(height=40, width=320, keep_aspect=True, stretch=1.5)
    wide = open_images("synthetic:5", size=model)
    assert wide.pixels.shape == (5, 1, 40, 320)
    assert (wide.geometry, set(wide.widths)) == (model, {240})
    assert small.labels == wide.labels == plain.labels


def test_a_style_file_departs_from_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "style.toml"
    path.write_text('preset = "hard"\nalphabet = "ABCdef"\nlength = [3, 6]\nshadow = true\n')
    images = open_images("synthetic:40", synthetic_preset=str(path))
    assert {len(label) for label in images.labels} == {3, 4, 5, 6}
    assert set().union(*images.labels) == set("ABCdef")
    assert images.label_length is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('alphabet = "ab\u4e00"', "alphabet"),
        ('alphabet = ""', "alphabet"),
        ("width = 0", "width"),
        ("height = -5", "height"),
        ("width = 30", "width"),
        ("length = [6, 3]", "length"),
        ("colour = 3", "unknown field 'colour'"),
        ("width = = 3", "is not a TOML file"),
        ('preset = "mild"', "choose one of default, hard, extreme"),
    ],
)
def test_styles_that_cannot_be_drawn(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "style.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        open_images("synthetic:10", synthetic_preset=str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["synthetic:", "synthetic:0", "synthetic:x", "synthetic:²", "no"])
def test_wrong_sources(spec: str) -> None:
    with pytest.raises(InputError, match="--data"):
        open_images(spec)
