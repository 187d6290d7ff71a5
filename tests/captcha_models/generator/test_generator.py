"""The generator: same bytes everywhere, the label is what is drawn, and it follows the facts."""

import hashlib
import itertools
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from captcha_models import generator as kaptcha
from captcha_models.generator import distort, noise, render, text
from captcha_models.generator.device import Press

DEFAULT = kaptcha.PRESETS["default"]
PLAIN = replace(DEFAULT, distortion=0.0, noise=0.0, jpeg=0, fonts=("Go-Bold.ttf",))
GOLDEN = "122ecf786801e54ba4406b1310219d02d0a847f2d5cf3db4873a75c0be5e266e"
DIGEST = """
import hashlib
from captcha_models import generator as kaptcha
style = kaptcha.PRESETS["default"]
images = kaptcha.draw(style, kaptcha.labels(style, 7, 100), 7)
print(hashlib.sha256(images.tobytes()).hexdigest())
"""


def test_the_first_hundred_images_are_the_golden_ones() -> None:
    images = kaptcha.draw(DEFAULT, kaptcha.labels(DEFAULT, 7, 100), 7)
    assert images.shape == (100, 1, 50, 200)
    assert images.dtype == np.uint8
    assert hashlib.sha256(images.tobytes()).hexdigest() == GOLDEN


@pytest.mark.parametrize("threads", ["1", "3"])
def test_other_processes_and_thread_counts_draw_the_same(threads: str) -> None:
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    environment = {**os.environ, **counts, "PYTHONHASHSEED": threads}
    command = [sys.executable, "-c", DIGEST]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == GOLDEN


@pytest.mark.parametrize("name", kaptcha.PRESETS)
def test_an_image_does_not_depend_on_its_neighbours(name: str) -> None:
    style = kaptcha.PRESETS[name]
    texts = kaptcha.labels(style, 0, 300)
    whole = kaptcha.draw(style, texts, 5)
    some = [299, 3, 130]
    assert np.array_equal(kaptcha.draw(style, [texts[i] for i in some], 5, some), whole[some])
    alone = kaptcha.draw(style, [texts[3]], 5, [3])
    assert np.array_equal(alone[0], whole[3])


def test_seed_and_index_change_an_image() -> None:
    base = kaptcha.draw(DEFAULT, ["2b827"], 0)
    assert not np.array_equal(base, kaptcha.draw(DEFAULT, ["2b827"], 1))
    assert not np.array_equal(base, kaptcha.draw(DEFAULT, ["2b827"], 0, [1]))


def test_a_style_may_have_no_noise_curves() -> None:
    style = replace(DEFAULT, curves=0)
    assert kaptcha.draw(style, ["2345b", "xypnm"], 3).shape == (2, 1, 50, 200)
    assert np.array_equal(
        kaptcha.draw(replace(PLAIN, curves=0), ["2345b"], 3), kaptcha.draw(PLAIN, ["2345b"], 3)
    )


def test_no_texts_give_no_images() -> None:
    assert kaptcha.draw(DEFAULT, [], 0).shape == (0, 1, 50, 200)


@pytest.mark.parametrize("name", kaptcha.PRESETS)
def test_presets_draw_dark_letters_on_a_light_gradient(name: str) -> None:
    style = kaptcha.PRESETS[name]
    texts = kaptcha.labels(style, 1, 50)
    images = kaptcha.draw(style, texts, 1)
    assert images.shape == (50, 1, style.height, style.width)
    assert (images.min(axis=(1, 2, 3)) < 30).all()
    assert (images < 120).mean() == pytest.approx(0.2, abs=0.15)
    fewest, most = style.lengths
    assert {len(label) for label in texts} == set(range(fewest, most + 1))
    assert set("".join(texts)) <= set(style.alphabet)


def _drawn_by_pillow(symbol: str) -> tuple[Image.Image, int]:
    """A letter as Pillow draws it at pen position 40, and how far the next pen lies."""
    font = ImageFont.truetype(str(text.FONTS / "Go-Bold.ttf"), 40, layout_engine=0)
    image = Image.new("L", (100, 50))
    ImageDraw.Draw(image).text((40, 42), symbol, 255, font, "ls")
    left, _, right, _ = image.getbbox() or (0, 0, 0, 0)
    return image, right - left + 2


def test_the_letters_drawn_are_the_label() -> None:
    templates = {symbol: _drawn_by_pillow(symbol) for symbol in PLAIN.symbols}
    texts = kaptcha.labels(PLAIN, 3, 20)
    ink = 255.0 - kaptcha.draw(PLAIN, texts, 3)[:, 0]
    ink -= 255.0 - PLAIN.background
    for label, image in zip(texts, ink, strict=True):
        pen = 28.0
        for symbol in label:
            matches = {}
            for other, (template, advance) in templates.items():
                shape = np.asarray(template, float)
                for shift in range(-3, 4):
                    start = round(pen) + shift
                    window = image[:, start : start + 30]
                    cut = shape[:, 40 : 40 + window.shape[1]]
                    wide = min(30, advance)
                    found = np.corrcoef(window[:, :wide].ravel(), cut[:, :wide].ravel())[0, 1]
                    matches[other, shift, advance] = found
            best = max(matches, key=lambda key: matches[key])
            assert best[0] == symbol, label
            assert matches[best] > 0.8
            pen += best[1] + best[2]


def test_each_letter_picks_either_face() -> None:
    quiet = replace(DEFAULT, noise=0.0, jpeg=0)
    images = {kaptcha.draw(quiet, ["m"], 0, [index]).tobytes() for index in range(20)}
    assert len(images) == 2
    numbers = np.arange(500)
    picked = render.uniforms(0, numbers, 13)[:, 8:] < 0.5
    assert abs(picked.mean() - 0.5) < 0.03
    assert not np.array_equal(picked[:, 0], picked[:, 1])


def test_n_is_twice_as_frequent() -> None:
    counts = Counter("".join(kaptcha.labels(DEFAULT, 0, 20_000)))
    others = [count for symbol, count in counts.items() if symbol != "n"]
    assert len(others) == 18
    assert 9_700 < counts["n"] < 10_300
    assert min(others) > 4_750 and max(others) < 5_250


def test_labels_are_distinct_and_keep_their_order() -> None:
    style = kaptcha.PRESETS["extreme"]
    many = kaptcha.labels(style, 4, 5_000)
    assert len({label.casefold() for label in many}) == 5_000
    assert kaptcha.labels(style, 4, 100) == many[:100]
    assert kaptcha.labels(style, 5, 100) != many[:100]
    banned = {label.swapcase() for label in many[:50]}
    assert kaptcha.labels(style, 4, 4_950, exclude=banned) == many[50:]


def test_all_labels_of_a_small_style_can_be_had_but_no_more() -> None:
    style = replace(DEFAULT, alphabet="bdn", length=2)
    found = kaptcha.labels(style, 0, 8, exclude=["bd", "toolong", "zz"])
    expected = {a + b for a in "bdn" for b in "bdn"} - {"bd"}
    assert set(found) == expected
    with pytest.raises(ValueError, match=r"n = 9: must be at most 8"):
        kaptcha.labels(style, 0, 9, exclude=["bd"])
    with pytest.raises(ValueError, match=r"n = -1: must be at least 0"):
        kaptcha.labels(style, 0, -1)
    both_cases = replace(DEFAULT, alphabet="bB", length=1)
    with pytest.raises(ValueError, match="at most 1"):
        kaptcha.labels(both_cases, 0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, r"width = 0: must be a whole number from 1 to 4,096"),
        ({"height": -5}, r"height = -5: must be a whole number from 1 to 4,096"),
        ({"width": 90}, r"width = 90: must be at least \d+, to hold 5 symbols"),
        ({"height": 30}, r"height = 30: must be at least"),
        ({"length": 30}, r"width = 200: must be at least \d+, to hold 30 symbols"),
        ({"alphabet": ""}, r"alphabet = '': must be at least one symbol"),
        ({"alphabet": "ab\u4e2d"}, r"it lacks '\u4e2d'"),
        ({"alphabet": "a b"}, r"it lacks ' '"),
        ({"length": 0}, r"length = 0: must be a whole number of at least 1"),
        ({"length": (5, 4)}, r"length = \(5, 4\)"),
        ({"length": (0, 4)}, r"length = \(0, 4\)"),
        ({"fonts": ()}, r"fonts = \(\): must be a tuple"),
        ({"fonts": ("none.ttf",)}, r"fonts = .*'none.ttf' is neither"),
        ({"font_size": 0.0}, r"font_size = 0.0: must be greater than 0"),
        ({"font_size": math.nan}, r"font_size = nan"),
        ({"weight": -0.1}, r"weight = -0.1: must be a number of at least 0"),
        ({"left": -1}, r"left = -1: must be None or at least 0"),
        ({"baseline": 60.0}, r"baseline = 60.0: must be None or from 0 to the height"),
        ({"spacing": 1.5}, r"spacing = 1.5: must be a whole number"),
        ({"distortion": -1.0}, r"distortion = -1.0"),
        ({"noise": math.inf}, r"noise = inf"),
        ({"curves": -1}, r"curves = -1: must be a whole number of at least 0"),
        ({"gradient": (0, 256)}, r"gradient = \(0, 256\)"),
        ({"jpeg": 96}, r"jpeg = 96: must be 0 for none, or 1 to 95"),
    ],
)
def test_a_wrong_choice_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEFAULT, **change)  # type: ignore[arg-type]


def test_draw_names_what_it_cannot_draw() -> None:
    with pytest.raises(ValueError, match=r"text '2B': the style has no symbol 'B'"):
        kaptcha.draw(DEFAULT, ["2B"], 0)
    with pytest.raises(ValueError, match=r"text '': must have at least one symbol"):
        kaptcha.draw(DEFAULT, ["22", ""], 0)
    with pytest.raises(ValueError, match=r"indices: 1 given for 2 texts"):
        kaptcha.draw(DEFAULT, ["22", "33"], 0, [0])


def _sample(image: np.ndarray, x: float, y: float) -> float:
    """Bilinear, edges repeated."""
    height, width = image.shape
    left, top = math.floor(x), math.floor(y)
    total = 0.0
    for i, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
        for j, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
            value = image[min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
            total += share_x * share_y * value
    return total


def test_distortion_follows_the_facts() -> None:
    source = np.random.default_rng(0).uniform(0, 255, (50, 200))
    water = np.empty_like(source)
    for y in range(50):
        for x in range(200):
            dx, dy = x - 100, y - 25
            d = math.hypot(dx, dy)
            a = 0.0
            if 0 < d < 50:
                a = 1.5 * math.sin(2 * math.pi * d / 2 - 10) * (50 - d) / 50 * 2 / d
            water[y, x] = _sample(source, x + dx * a, y + dy * a)
    expected = np.empty_like(source)
    for y in range(50):
        for x in range(200):
            u, v = x - 2, y - 1
            where = u + 2.6 * math.sin(v / 15), v + 1.7 * math.sin(u / 5)
            expected[y, x] = _sample(water, *where)
    found = (DEFAULT.warp @ source.T.ravel()).reshape(50, 200) / distort.ONE
    assert np.abs(found - expected).max() < 0.5
    assert (DEFAULT.warp.sum(axis=1) == distort.ONE).all()


def test_no_distortion_leaves_the_text_alone() -> None:
    source = np.random.default_rng(0).uniform(0, 255, (50, 200))
    found = (PLAIN.warp @ source.T.ravel()).reshape(50, 200) / distort.ONE
    assert np.allclose(found, source)


def test_noise_curves_stay_within_two_pixels_of_their_bezier() -> None:
    heights = np.random.default_rng(1).uniform(size=(50, 4))
    groups = noise.flatten(heights, 1, 50, 200)
    t = np.linspace(0, 1, 400)[:, None]
    basis = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    for image in range(50):
        control = np.stack([np.array([0.1, 0.25, 0.5, 0.9]) * 200, heights[image] * 50], axis=1)
        points = basis @ control
        segments = [rows[rows[:, 0] == image][0, 1:] for rows in groups if image in rows[:, 0]]
        assert tuple(segments[0][:2]) == (20, int(control[0, 1]))
        assert tuple(segments[-1][2:]) == (180, int(control[3, 1]))
        for one, two in itertools.pairwise(segments):
            assert tuple(one[2:]) == tuple(two[:2])
        nearest = np.full(len(points), np.inf)
        for segment in segments:
            a, b = segment[:2].astype(float), segment[2:].astype(float)
            share = ((points - a) @ (b - a)) / max(1.0, (b - a) @ (b - a))
            foot = a + np.clip(share, 0, 1)[:, None] * (b - a)
            nearest = np.minimum(nearest, np.hypot(*(points - foot).T))
        assert nearest.max() < 2 + math.sqrt(2)  # flatness, and corners cut to whole pixels


@pytest.mark.parametrize("end", [(40, 20), (40, 28), (20, 44), (31, 33), (5, 9), (20, 20)])
@pytest.mark.parametrize("breadth", [3.6, 1.8])
def test_a_stroke_covers_what_its_rectangle_covers(end: tuple[int, int], breadth: float) -> None:
    clear = np.full((1, 50, 60), 255, np.uint8)
    noise.stroke(clear, np.array([[0, 20, 20, *end]]), breadth)
    fine = (np.arange(60 * 8) + 0.5) / 8 - 0.5  # 8 x 8 points per pixel, pixel centres on integers
    x, y = fine[None, :] - 20, fine[: 50 * 8, None] - 20
    dx, dy = end[0] - 20, end[1] - 20
    length = math.hypot(dx, dy)
    ux, uy = (dx / length, dy / length) if length else (1.0, 0.0)
    along, across = x * ux + y * uy, y * ux - x * uy
    half = breadth / 2
    inside = (np.abs(across) <= half) & (along >= -half) & (along <= length + half)
    cover = inside.reshape(50, 8, 60, 8).mean(axis=(1, 3))
    assert np.abs((255 - clear[0]) / 255 - cover).max() < 0.1
    area = (length + breadth) * breadth
    assert (255 - clear[0]).sum() / 255 == pytest.approx(area, rel=0.03)


def test_empty_margins_are_the_gradient_rounded_down() -> None:
    grey = replace(DEFAULT, jpeg=0, noise=0.0)
    image = kaptcha.draw(grey, ["22222"], 0)[0, 0]
    assert (image[:, :14] == grey.background[:, :14]).all()
    assert grey.background[0, 0] == 192
    assert grey.background[-1, -1] == 254
    assert (np.diff(grey.background.astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize("name", kaptcha.PRESETS)
def test_the_device_draws_the_same(name: str) -> None:
    for style in (kaptcha.PRESETS[name], replace(kaptcha.PRESETS[name], jpeg=0)):
        texts = kaptcha.labels(style, 2, 60)
        expected = kaptcha.draw(style, texts, 2).astype(float)
        press = Press(style, torch.device("cpu"))
        found = press.draw(*press.choices(texts, 2))
        assert found.shape == expected.shape
        assert found.dtype == torch.float32
        assert found.min() >= 0 and found.max() <= 1
        gap = np.abs(found.numpy() * 255 - expected)
        if style.jpeg:
            assert gap.mean() < 0.3
            assert gap.max() < 40
        else:
            assert (gap > 0.01).mean() < 1e-5
            assert gap.max() < 8
