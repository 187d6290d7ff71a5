"""Fitted spaces: nothing is left in them that cannot be trained, and nothing more is cut."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.distributions import CategoricalDistribution as Choice
from optuna.samplers import RandomSampler
from optuna.study import create_study
from pydantic import Field

import spaces
from captcha_models.architectures import build, check, config_class, register
from captcha_models.config import Config
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import Split
from captcha_models.errors import InputError
from captcha_models.limits import Limits
from examples.own_architecture import Tiny, TinyConfig
from search.tuning.fitted import fit_plans, fitted
from search.tuning.plan import SpacePlan, plan_spaces
from search.tuning.settings import Settings
from search.tuning.warm_start import warm_start
from spaces.space import Space, Values
from tests.labelled import CHINESE, DIGITS, halved, plain, ragged, texts

TINY = f"{Path(__file__).parents[3] / 'examples' / 'own_space.py'}:SPACE"
DATA: dict[str, Callable[[], LabelledImages]] = {
    "mixed lengths": lambda: plain(texts(120, DIGITS, (3, 4, 5, 6, 7))),
    "twelve images": lambda: plain(texts(12, "ab12", (4,))),
    "thirty of mixed lengths": lambda: plain(texts(30, DIGITS, (1, 2, 3))),
    "eight characters": lambda: plain(texts(100, DIGITS + "abcdefgh", (8,))),
    "twenty characters": lambda: plain(texts(100, DIGITS, (20,))),
    "a Chinese alphabet": lambda: plain(texts(100, CHINESE, (5,))),
    "a space": lambda: plain(texts(100, DIGITS + " ", (5,))),
    "equal runs": lambda: plain([*texts(60, "0123", (6, 7)), "0000000", "1111111"]),
    "two symbols": lambda: plain(texts(60, "ab", (3,))),
    "widths that differ": lambda: ragged(texts(120, DIGITS, (3, 5, 9))),
    "narrow": lambda: plain(texts(60, DIGITS, (5, 6)), size=(96, 32)),
}


def plan_of(ref: str = "crnn", space: Space | None = None, **fixed: str) -> SpacePlan:
    settings = Settings.parse({"spaces": (ref,), "fixed": fixed})
    (plan,) = plan_spaces(settings, [space] if space else ()).values()
    return plan


def fit(plan: SpacePlan, images: LabelledImages) -> SpacePlan:
    return fitted(plan, Limits(images, halved(images)))


def configs(plan: SpacePlan, count: int = 200) -> list[dict[str, Any]]:
    """Starting points, and points drawn at random, as trials are given them."""
    study = create_study(sampler=RandomSampler(seed=1))
    space = plan.space
    points: list[Values] = [space.start(p) for p in (space.baseline, *space.known)]
    points += [space.suggest(study.ask()) for _ in range(count)]
    return [{**plan.base, **point} for point in points]


def allowed(plan: SpacePlan, name: str) -> Any:
    """What is left of a parameter: its fixed value, both ends of its range, or its choices."""
    among = plan.space.parameters.get(name)
    if among is None:
        return plan.space.fixed[name]
    return tuple(among.choices) if isinstance(among, Choice) else (among.low, among.high)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("ref", [*spaces.names(), TINY], ids=lambda ref: ref.rpartition("/")[2])
def test_nothing_in_a_fitted_space_is_refused(kind: str, ref: str) -> None:
    images = DATA[kind]()
    split = halved(images)
    plan = plan_of(ref)
    found = fit(plan, images)
    longest = max(map(len, images.labels))
    for number, values in enumerate(configs(found)):
        config = config_class(found.space.arch).parse(values)
        check(config, images, split)
        if number == 50:
            mixed = images.label_length is None
            build(config, images.charset, longest, images.size, mixed=mixed)
    again = fit(found, images)
    assert again.space.digest == found.space.digest, "a fitted space is cut again"


@pytest.mark.parametrize("ref", spaces.names())
def test_the_articles_images_leave_every_space_as_it_is(ref: str, real_images: Path) -> None:
    from captcha_models.data.sources import open_images

    images = open_images(str(real_images))
    plan = plan_of(ref)
    assert fit(plan, images) is plan


@pytest.mark.parametrize("ref", spaces.names())
def test_generated_images_leave_every_space_as_it_is(ref: str, drawn: LabelledImages) -> None:
    wide = replace(drawn, names=drawn.names * 4, labels=drawn.labels * 4,
                   pixels=np.concatenate([drawn.pixels] * 4))  # fmt: skip
    plan = plan_of(ref)
    assert fit(plan, wide).space.digest == plan.space.digest


def test_what_was_cut_is_one_line_in_plain_words() -> None:
    found = fit(plan_of("crnn-wide"), plain([*texts(300, DIGITS, (6, 7, 8)), "00000000"]))
    (line,) = found.notes
    assert line == (
        "space crnn-wide: fitted to these images: batch_size 8..24 (225 training images), cut 5..6 "
        "(cut = 7 leaves 13 steps of a 200 px wide image, but label '00000000' needs 15), "
        "fixed_length false (labels have 6 to 8 characters)"
    )
    assert allowed(found, "cut") == (5, 6)
    assert allowed(found, "fixed_length") is False
    assert allowed(found, "synthetic_share") == (0.0, 1.0)
    assert allowed(found, "batch_size") == (8, 24)
    assert allowed(found, "splice") == (0.0, 0.8)
    assert found.space.known[0]["splice"] == 0.5


def test_a_typed_value_is_kept_or_refused_never_changed() -> None:
    images = plain(texts(200, DIGITS, (8,)))
    kept = fit(plan_of(cut="7"), images)
    assert kept.space.fixed["cut"] == 7
    assert allowed(kept, "splice") == (0.0, 0.8)
    with pytest.raises(InputError, match="cut = 7 leaves 13 steps"):
        fit(plan_of(cut="7"), plain(texts(200, DIGITS, (14,))))
    with pytest.raises(InputError, match="batch_size = 400: there are only 150 training images"):
        fit(plan_of(batch_size="400"), images)
    with pytest.raises(InputError, match="batch_size = 200: there are only 150 training images"):
        fit(plan_of(batch_size="200..400"), images)
    assert allowed(fit(plan_of(batch_size="16..400"), images), "batch_size") == (16, 144)
    with pytest.raises(InputError, match=r"synthetic_share = 0\.5: the generator has no face"):
        fit(plan_of(synthetic_share="0.5"), plain(texts(200, CHINESE, (4,))))
    other_look = fit(plan_of(synthetic_share="0.5"), plain(texts(200, DIGITS, (5,))))
    assert other_look.space.fixed["synthetic_share"] == 0.5, "it can be trained"


def test_of_several_spaces_those_that_cannot_be_fitted_are_left_out() -> None:
    images = plain(texts(100, DIGITS, (5,)))
    short = Space(name="short", arch="crnn", parameters={"cut": IntDistribution(8, 8)},
                  baseline={"cut": 8}, fixed={"fixed_length": True})  # fmt: skip
    long = plain(texts(100, DIGITS, (12,)))
    plans = {"crnn": plan_of(), "short": plan_of(space=short)}
    found, lines = fit_plans(plans, long, halved(long))
    assert list(found) == ["crnn"]
    (line,) = lines
    assert line.startswith("space short is left out: space short cannot be fitted to these images")
    assert len(fit_plans(plans, images, halved(images))[0]) == 2
    with pytest.raises(InputError, match="cut = 8 leaves 7 steps"):
        fit_plans({"short": plans["short"]}, long, halved(long))


def test_a_label_that_no_value_can_read_is_named() -> None:
    """Cut 7 cannot read some right ones either, but the wrong one is what stands in the way.

    More than one image in a hundred has it, so it is not the odd one that is passed over.
    """
    labels = ["000", *texts(100, DIGITS, (3, 5, 9)), *["012345678901234567890123456789"] * 2]
    images = ragged(labels)
    images.widths[-2:] = 64
    with pytest.raises(InputError) as caught:
        fit(plan_of(), images)
    assert str(caught.value) == (
        "space crnn cannot be fitted to these images: cut = 6 leaves 8 steps of a 64 px wide "
        "image, but label '012345678901234567890123456789' needs 30; nothing that it varies "
        "helps: is that label right?"
    )
    found, lines = fit_plans(
        {"crnn": plan_of(), "pooled": plan_of("pooled")}, images, halved(images)
    )
    assert (list(found), len(lines)) == (["pooled"], 1)


def test_fields_outside_the_space_are_fitted_too() -> None:
    """This space varies the learning rate alone; cut 7 and batches of 8 are the defaults."""
    lr = Space(name="lr", arch="crnn", parameters={"lr": FloatDistribution(1e-4, 1e-2)},
               baseline={"lr": 1e-3})  # fmt: skip
    found = fit(plan_of(space=lr), plain(texts(16, DIGITS, (14,))))
    assert (found.base["cut"], found.base["batch_size"]) == (6, 6)
    assert found.space == lr
    with pytest.raises(InputError, match="cut = 7 leaves 13 steps"):
        fit(plan_of(space=lr, cut="7"), plain(texts(16, DIGITS, (14,))))


class PairConfig(TinyConfig):
    arch: ClassVar[str] = "pair"
    wide: int = Field(1, ge=1, le=8)
    deep: int = Field(1, ge=1, le=8)


class Pair(Tiny):
    """An architecture from outside whose limit is a product of two of its fields."""

    config_class = PairConfig

    @classmethod
    def check(cls, config: Config, labels: Any, size: Any, length: Any = None) -> None:
        assert isinstance(config, PairConfig)
        if config.wide * config.deep > 12:
            raise InputError(f"wide = {config.wide}: times deep it is more than 12")


def test_values_refused_only_together_are_cut() -> None:
    register(Pair)
    parameters: dict[str, BaseDistribution] = {
        "wide": IntDistribution(1, 8), "deep": IntDistribution(1, 8)
    }  # fmt: skip
    space = Space(name="pair", arch="pair", parameters=parameters,
                  baseline={"wide": 2, "deep": 2})  # fmt: skip
    found = fit(plan_of(space=space), plain(texts(100, DIGITS, (5,))))
    assert all(one["wide"] * one["deep"] <= 12 for one in configs(found))
    assert len({(one["wide"], one["deep"]) for one in configs(found)}) > 4


def test_a_warm_start_moves_to_the_fitted_space() -> None:
    images = plain([*texts(300, DIGITS, (6, 7, 8)), "00000000"])
    plans, _ = fit_plans({"crnn": plan_of()}, images, halved(images))
    found = warm_start(plans, ("light",))["crnn"]
    point = found.space.start(found.space.known[-1])
    assert (point["synthetic_share"], point["batch_size"], point["cut"]) == (0.5, 24, 5)
    assert "batch_size 32 -> 24" in found.notes[-1]


def test_a_length_that_is_fixed_at_each_width_is_not_fixed() -> None:
    """Labels of one length stand in images of one width, and there are three widths."""
    found = fit(plan_of("crnn-wide"), ragged(["000", *texts(120, DIGITS, (3, 5, 9))]))
    assert allowed(found, "fixed_length") is False
    assert allowed(found, "cut") == (5, 6)
    assert "cut = 7 leaves 4 steps of a 64 px wide image" in found.notes[0]


@pytest.mark.parametrize("count", [12, 20, 50])
def test_few_images_train(count: int) -> None:
    """Every point of the fitted space, not only its check: the small architecture is quick."""
    from captcha_models.training.fit import fit as train

    images = plain(texts(count, "ab12", (3, 4)))
    split: Split = halved(images)
    found = fit(plan_of(TINY), images)
    for values in configs(found, 4):
        config = config_class("tiny").parse({**values, "epochs": 1})
        state = train(config, images, split, seed=0, device="cpu", on_epoch=lambda m, s: None)
        assert state.metrics.images_seen >= 2
