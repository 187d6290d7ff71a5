from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from benchmarks._lists import numbers
from benchmarks._side_by_side import Rows
from benchmarks.ablation import MEANS, chosen_means, variants
from benchmarks.few_images import main as few_images
from benchmarks.few_images import point
from benchmarks.rung_ranks import fold_ranks
from benchmarks.source_recipe import image_files, source_loaders, source_model
from benchmarks.time_to_accuracy import found, main
from benchmarks.train_speed import measure, part_of
from captcha_models.architectures import config_class, names
from captcha_models.data.images import LabelledImages
from captcha_models.data.splits import make_split
from captcha_models.errors import InputError


@pytest.mark.parametrize(
    ("arch", "count"), [("pooled", 21_882_464), ("spatial", 28_575_004), ("crnn", 9_557_908)]
)
def test_the_sources_models_have_its_parameter_counts(arch: str, count: int) -> None:
    assert sum(p.numel() for p in source_model(arch, num_classes=20).parameters()) == count


@pytest.mark.parametrize("as_written", [False, True])
def test_the_sources_batches(drawn: LabelledImages, as_written: bool) -> None:
    split = make_split(drawn.names)
    with image_files("synthetic:120", drawn) as files:
        loaders = source_loaders(drawn, split, files, torch.device("cpu"), as_written=as_written)
        for loader, rows in ((loaders.train, split.train), (loaders.valid, split.valid)):
            unseen = {drawn.labels[i] for i in rows}
            moved = 0
            for images, targets in loader:
                for image, ids in zip(images, targets, strict=True):
                    label = drawn.charset.decode(ids.tolist())
                    unseen.remove(label)
                    file = torch.from_numpy(drawn.pixels[drawn.labels.index(label)]) / 255
                    moved += not torch.allclose(
                        torch.Tensor(image), file.expand(3, -1, -1), atol=1e-3
                    )
            assert len(unseen) == (len(rows) % 8 if loader is loaders.train else 0)
            assert (moved > 0) == (as_written or loader is loaders.train)


def test_the_sources_recipe_refuses_labels_of_another_length(drawn: LabelledImages) -> None:
    longer = replace(drawn, labels=tuple(label + "2" for label in drawn.labels))
    with pytest.raises(InputError, match="5 characters"):
        source_loaders(longer, make_split(drawn.names), {}, torch.device("cpu"))


def test_a_run_counts_if_it_is_the_same_and_went_far_enough(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    key = {"side": "source", "seed": 0, "config": {"lr": 3e-3}}
    short = {**key, "reached": False, "images_seen": 672}
    Rows(path).add(short)
    again = Rows(path)
    assert found(again, key, 672) == short
    assert found(again, key, 1344) is None
    assert found(again, {**key, "seed": 1}, 672) is None
    assert found(again, {**key, "config": {"lr": 2e-3}}, 672) is None
    again.add({**key, "reached": True, "images_seen": 700})
    assert found(Rows(path), key, 1344) == {**key, "reached": True, "images_seen": 700}


def test_a_damaged_rows_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"side": "ours"}\n{"side": "ou')
    with pytest.raises(InputError, match="line 2"):
        Rows(path)


@pytest.mark.slow
def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    config, path = tmp_path / "one.toml", tmp_path / "rows.jsonl"
    config.write_text('arch = "crnn"\nepochs = 1\nbatch_size = 32\ncut = 5\nrnn_hidden_1 = 8\n')
    arguments = [
        *("--data", "synthetic:60", "--config", str(config), "--rows", str(path)),
        *("--seeds", "3", "--limit", "8", "--json"),
    ]
    outputs, files = [], []
    for _ in range(2):
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        outputs.append(result.stdout)
        files.append(path.read_text())
    assert files[0] == files[1] and files[0].count("\n") == 2
    assert outputs[0] == outputs[1]
    assert '"ratio": 0.0' in outputs[0]  # ours did not reach it


@pytest.mark.slow
def test_every_round_times_every_side_but_the_first_warms_up(drawn: LabelledImages) -> None:
    split = part_of(make_split(drawn.names), (16, 8))
    config = config_class("crnn").parse({"epochs": 1, "cut": 5})
    configs = {("crnn", side): config for side in ("source", "same")}
    with image_files("synthetic:120", drawn) as files:
        seconds = measure(drawn, (split,) * 3, configs, files, torch.device("cpu"), "cpu_s")
    assert {key: len(times) for key, times in seconds.items()} == dict.fromkeys(configs, 2)
    assert min(min(times) for times in seconds.values()) > 0


class TestMeans:
    def test_each_is_off_in_a_baseline_or_the_articles_own(self) -> None:
        known = {arch: chosen_means(None, config_class(arch)()) for arch in names()}
        assert set(MEANS) == {name for own in known.values() for name in own}
        for arch, own in known.items():
            baseline = config_class(arch)()
            added = variants(baseline, own, "with")
            of_the_article = {"augment", "label_smoothing"} & set(own)
            assert {name.removeprefix("with ") for name in added} == set(own) - of_the_article
            for variant in added.values():
                assert variant != baseline

    def test_what_is_used_is_taken_away_alone(self) -> None:
        config = config_class("crnn").parse({"ema": 0.9, "augment": 0.0, "synthetic_share": 0.3})
        taken = variants(config, ("augment", "generated", "ema", "aux"), "without")
        assert {name: variant.model_dump() for name, variant in taken.items()} == {
            "without generated": config.changed(synthetic_share=0.0).model_dump(),
            "without ema": config.changed(ema=0.0).model_dump(),
        }

    def test_unknown_ones_are_named(self) -> None:
        with pytest.raises(InputError, match="--means 'aux': pooled has"):
            chosen_means("ema,aux", config_class("pooled")())


def test_a_point_of_the_curve() -> None:
    config = config_class("crnn").parse({"batch_size": 16, "synthetic_share": 0.7, "epochs": 9})
    assert point(config, False, 50, None) == config.changed(synthetic_share=0.0)
    assert point(config, True, 50, None) == config
    assert point(config.changed(synthetic_share=0.0), True, 50, None).synthetic_share == 0.5
    assert point(config, True, 50, 4800).epochs == 100
    with pytest.raises(InputError, match="batch_size of 16"):
        point(config, True, 10, None)


def test_lists_of_numbers() -> None:
    assert numbers("0,2,1", "--only") == (0, 2, 1)
    for wrong in ("", "1,", "1,1", "-1", "a"):
        with pytest.raises(InputError, match="--only"):
            numbers(wrong, "--only")


NLLS = {"a": 1.0, "b": 2.0, "c": 3.0}


def test_folds_that_agree_rank_alike_and_one_that_does_not_is_seen() -> None:
    agreeing = {name: {fold: nll + fold for fold in range(3)} for name, nll in NLLS.items()}
    assert fold_ranks(agreeing) == {1: (1.0, 1.0), 2: (1.0, 1.0)}
    # Fold 2 turns the order round, and by more: alone against the others either way.
    odd = {name: {**own, 2: -9 * NLLS[name]} for name, own in agreeing.items()}
    assert fold_ranks(odd) == {1: (-1.0, 0.0), 2: (-1.0, 0.0)}
    # A candidate that lacks a fold does not count.
    assert fold_ranks({**odd, "d": {0: -100.0}}) == fold_ranks(odd)


def test_without_training_only_the_rows_speak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    asked = ["--arch", "crnn", "--config", "spliced", "--config", "few", "--limit", "20"]
    where = ["--data", "synthetic:120", "--rows", str(rows), "--generated", "own", "--no-train"]
    assert few_images.main([*asked, *where], standalone_mode=False) == 1
    told = [line.split()[:5] for line in capsys.readouterr().out.splitlines() if " of " in line]
    assert told[1:] == [
        ["spliced", "without", "20", "0", "of"],
        ["few", "with", "20", "0", "of"],
    ]
    assert not rows.exists()
