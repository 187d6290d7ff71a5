"""Sources of images: a folder, an archive, the article's download, or the generator."""

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from captcha_models import generator as kaptcha
from captcha_models.data.geometry import Geometry
from captcha_models.data.image_settings import ImageSettings
from captcha_models.data.images import LabelledImages, rescaled, squish
from captcha_models.data.reading import read_images
from captcha_models.errors import InputError

ARTICLE_ARCHIVE = (
    "https://github.com/AakashKumarNain/CaptchaCracker/raw/master/captcha_images_v2.zip"
)
ARTICLE_IMAGES = 1040
CONNECT_S = 3.0
AUTO_S = 12.0
DOWNLOAD_S = 180.0


def open_images(
    spec: str = "auto", *, size: str | Geometry = "auto", **options: Any
) -> LabelledImages:
    """Labelled images, as `--data` names them.

    Args:
        spec: `auto` (the article's set if it is cached or can be had within seconds, else the
            generator), `download`, `synthetic`, `synthetic:N`, or a folder, zip or table of images.
        size: see `geometry.read_size`; or that of a model.
        options: further fields of `ImageSettings`, such as `skip_bad` or `labels`.

    Raises:
        InputError: nothing of the kind, a wrong option or file, or a network that is closed.
    """
    text = {"size": size} if isinstance(size, str) else {}
    settings = ImageSettings.parse({"data": spec, **text, **options})
    path = _place(spec)
    if path is not None:
        if path.is_dir() or path.is_file():
            if settings.synthetic_preset != "default" and spec not in ("auto", "download"):
                raise InputError(
                    f"--synthetic-preset {settings.synthetic_preset}: only for generated images, "
                    f"not --data {spec}"
                )
            return read_images(
                path, settings.skip_bad, settings.rules(), size, settings.corrections
            )
        raise InputError(
            f"--data {spec}: no such folder, zip or table (nor auto, download, synthetic, "
            "synthetic:N)"
        )
    for name in ("labels", "columns", "corrections"):
        if getattr(settings, name) not in ("auto", {}, None):
            raise InputError(f"--{name}: only for images in files, and these are generated")
    _, _, count = spec.partition(":")
    if spec not in ("auto", "synthetic") and not (
        count.isascii() and count.isdecimal() and 1 <= int(count) <= 1_000_000
    ):
        raise InputError(f"--data {spec}: write synthetic:N with N in 1..1,000,000")
    images = synthetic(
        int(count or ARTICLE_IMAGES), settings.synthetic_seed, settings.synthetic_preset
    )
    return images if size == "auto" else rescaled(images, size)


def _place(spec: str) -> Path | None:
    """Where the files are; None if images are to be generated.

    Raises:
        InputError: the article's images cannot be had.
    """
    if spec == "auto":
        return _cached() or _download(AUTO_S)
    if spec == "download":
        cached = _cached() or _download(DOWNLOAD_S)
        if not cached:
            host = urlsplit(ARTICLE_ARCHIVE).hostname
            raise InputError(
                f"--data download: {host} did not deliver the images within {DOWNLOAD_S:.0f} s; is "
                "the network closed? --data takes a folder or zip, or 'synthetic' draws images"
            )
        return cached
    if spec.partition(":")[0] == "synthetic" and not Path(spec).exists():
        return None
    return Path(spec).expanduser()


def synthetic(num_images: int, seed: int, preset: str = "default") -> LabelledImages:
    """Images drawn by the generator, all labels different.

    Raises:
        InputError: an unknown preset, or more images than it has labels.
    """
    try:
        style = kaptcha.load_style(preset)
        texts = kaptcha.labels(style, seed, num_images)
        pixels = squish(kaptcha.draw(style, texts, seed))
    except ValueError as error:
        raise InputError(str(error)) from None
    order = sorted(range(num_images), key=lambda i: f"{texts[i]}.png")
    return LabelledImages(
        names=tuple(f"{texts[i]}.png" for i in order),
        labels=tuple(texts[i] for i in order),
        pixels=pixels[order],
        source=f"generator (preset {preset}, seed {seed})",
        preset=preset,
    )


def _cached() -> Path | None:
    from fastai.data.external import fastai_cfg

    folder: Path = fastai_cfg().path("data") / Path(ARTICLE_ARCHIVE).stem
    return folder if folder.is_dir() and any(folder.iterdir()) else None


def _download(limit_s: float) -> Path | None:
    """Fastai's `untar_data` in a process of its own, so that a stalled network can be left."""
    if not _reachable():
        return None
    code = f"from fastai.data.external import untar_data; untar_data({ARTICLE_ARCHIVE!r})"
    try:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            timeout=limit_s,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        _clean_up()
        return None
    return _cached()


def _clean_up() -> None:
    """Leave neither a partial archive nor a folder that was being unpacked."""
    from fastai.data.external import fastai_cfg

    archives, data = fastai_cfg().path("archive"), fastai_cfg().path("data")
    name = Path(ARTICLE_ARCHIVE).name
    for partial in (archives / name, archives / f"{name}.part", archives / f"{name}.lock"):
        partial.unlink(missing_ok=True)
    shutil.rmtree(data / Path(name).stem, ignore_errors=True)


def _reachable() -> bool:
    """Whether the archive's host answers; asked in a thread, because looking up a name can hang."""
    host = urlsplit(ARTICLE_ARCHIVE).hostname
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, 443), timeout=CONNECT_S).close()
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_S + 1)
    return answered.is_set()
