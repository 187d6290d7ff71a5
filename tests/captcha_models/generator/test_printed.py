"""Printed lines: text is found where it stands, and other text is put in its place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from captcha_models.generator.printed import OF_TEX, Line, draw_line, faces, kind_of, measured
from captcha_models.generator.text import load_font

LINE = Line("4711", 160, left=30, top=12, right=110, bottom=38, paper=220.0, ink=40.0)


def image_of(text: str, *, ink: int = 40, paper: int = 220) -> tuple[NDArray[np.uint8], list[int]]:
    """160 x 50 px, and the edges of the text in it."""
    image, font = Image.new("L", (160, 50), paper), load_font("Go-Bold.ttf", 30)
    ImageDraw.Draw(image).text((30, 8), text, ink, font)
    return np.array(image), [
        int(edge) for edge in ImageDraw.Draw(image).textbbox((30, 8), text, font)
    ]


def edges(line: Line) -> list[int]:
    return [line.left, line.top, line.right, line.bottom]


@pytest.mark.parametrize(("ink", "paper"), [(40, 220), (230, 30), (120, 160)])
def test_text_is_measured_light_or_dark(ink: int, paper: int) -> None:
    grey, box = image_of("4711", ink=ink, paper=paper)
    line = measured(grey, "4711")
    assert np.abs(np.subtract(edges(line), box)).max() <= 2
    assert (line.width, line.label) == (160, "4711")
    assert line.paper == pytest.approx(paper, abs=1)
    assert line.ink == pytest.approx(ink, abs=10)


def test_specks_and_a_frame_are_no_text() -> None:
    grey, box = image_of("4711")
    specks = np.random.default_rng(0).random(grey.shape) < 0.02
    grey[specks] = 0
    grey[:2] = grey[-2:] = 0
    grey[:, :2] = grey[:, -2:] = 0
    assert np.abs(np.subtract(edges(measured(grey, "4711")), box)).max() <= 3


def test_text_that_does_not_stand_out_fills_the_image() -> None:
    line = measured(np.full((50, 160), 200, np.uint8), "4711")
    assert edges(line) == [0, 0, 160, 50]
    assert line.paper == line.ink == 200


def test_other_text_stands_where_the_images_own_stood() -> None:
    found = np.array(
        [
            edges(measured(draw_line(LINE, "8362", face, (50, 160), 320, rng), "8362"))
            for face in faces("0123456789")[:6]
            for rng in map(np.random.default_rng, range(8))
        ]
    )
    assert np.abs(np.median(found, axis=0) - edges(LINE)).max() <= 4, np.median(found, axis=0)
    # Faces, place and size differ.
    assert (found.std(axis=0) > 0.5).all()


def test_longer_text_makes_a_wider_image_and_is_squeezed_where_there_is_no_room() -> None:
    def width(text: str, least: int, widest: int) -> int:
        rng = np.random.default_rng(0)
        return draw_line(LINE, text, faces("123")[0], (50, least), widest, rng).shape[1]

    assert width("33", 160, 400) == 160
    assert 210 < width("33333333", 160, 400) < 300
    assert width("33333333", 160, 200) == 200
    # Both ends are there.
    text = f"3{' ' * 18}7"
    squeezed = draw_line(LINE, text, faces("37")[0], (50, 160), 200, np.random.default_rng(0))
    left, _, right, _ = edges(measured(squeezed, text))
    assert 1 <= left < 20
    assert 180 < right <= 199


def test_a_space_and_a_lone_dot_are_drawn() -> None:
    rng = np.random.default_rng(0)
    for text in (" ", ".", "1 2"):
        drawn = draw_line(replace(LINE, label="."), text, faces("1")[0], (50, 160), 320, rng)
        assert drawn.shape[0] == 50


@pytest.mark.parametrize(
    ("symbols", "any_face"),
    [
        ("0123456789", True),
        ("ABC- /.", True),
        ("éüß", True),
        ("абв", True),
        ("京沪", False),  # No face has them.
        ("אבג", False),  # From right to left.
        ("سلام", False),  # Joined.
        ("กำ\u0e38", False),  # Marks over and under others.
    ],
)
def test_faces_have_all_symbols_or_are_none(symbols: str, any_face: bool) -> None:
    assert bool(faces(symbols)) == any_face


def test_digits_have_many_faces() -> None:
    assert len(faces("0123456789")) >= 10


@pytest.mark.parametrize("other", list('<>_{}|\\"`^~£°¡'))
def test_a_face_that_draws_another_symbol_is_left_out(other: str) -> None:
    among = {Path(face).stem for face in faces(f"12{other}")}
    assert among.isdisjoint(OF_TEX)
    assert {"DejaVuSans", "STIXGeneral"} <= among
    assert {Path(face).stem for face in faces("12-/A")} >= set(OF_TEX)


def test_a_symbol_gives_place_to_its_kind() -> None:
    assert kind_of("3") == kind_of("7") != kind_of("a")
    assert kind_of("a") == kind_of("é") != kind_of("A")
    assert kind_of("-") != kind_of("/")
