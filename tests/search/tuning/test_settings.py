"""Settings: what is accepted, what is refused and how it is said."""

import pytest

from captcha_models.errors import InputError
from search.tuning.settings import FULL, Settings, gpu_share, seconds


def settings(**values: object) -> Settings:
    return Settings.parse({"spaces": ("crnn",), **values})


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90.0), ("90s", 90.0), ("15m", 900.0), ("2h", 7200.0), ("1.5m", 90.0), ("1D", 86400.0)],
)
def test_time_budget_reads_a_number_with_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value
    assert settings(time_budget_s=text).time_budget_s == value


@pytest.mark.parametrize("text", ["", "0", "-5", "x", "5 weeks", "1h30m", "nan", "inf"])
def test_time_budget_refuses_the_rest(text: str) -> None:
    with pytest.raises(InputError, match="write seconds, or a number with m, h or d"):
        settings(time_budget_s=text)


@pytest.mark.parametrize(
    ("text", "share"),
    [("0", 0.0), ("1", 1.0), ("2", 2.0), ("0.5", 0.5), ("1/4", 0.25), ("1/3", 0.3333),
     ("0.33", 0.3333), (0.25, 0.25)],
)  # fmt: skip
def test_gpu_share_is_whole_or_one_nth_and_n_of_them_fit(text: str | float, share: float) -> None:
    assert gpu_share(text) == share
    if 0 < share < 1:
        assert round(1 / share) * share <= 1


@pytest.mark.parametrize("text", ["0.6", "0.3", "1.5", "-1", "nan", "inf", "x", "1/0", "2/3"])
def test_gpu_share_refuses_what_strands_a_part_of_a_gpu(text: str) -> None:
    with pytest.raises(InputError, match="write 0, a whole number, or 1/n"):
        settings(gpus_per_trial=text)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"trials": 0}, "trials = 0: must be greater than or equal to 1"),
        ({"epochs": "many"}, "epochs = 'many'"),
        (
            {"objective": "loss"},
            "objective = 'loss': must be nll, accuracy, cost, pareto, or a metric: images_seen, ",
        ),
        ({"seed": -1}, "seed = -1"),
        ({"max_concurrent": 0}, "max_concurrent = 0"),
        ({"cpus_per_trial": 0}, "cpus_per_trial = 0"),
        ({"colour": "red"}, "unknown option 'colour'"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(values: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        settings(**values)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(1, ()), (2, (1,)), (4, (2, 3)), (8, (4, 6)), (20, (10, 15)), (60, (30, 45))],
)
def test_rungs_lie_below_the_budget(epochs: int, rungs: tuple[int, ...]) -> None:
    assert settings(epochs=epochs).rungs == rungs


def test_a_search_grows_where_there_are_gpus_unless_told_otherwise() -> None:
    assert settings().sized(gpus=True).trials == FULL["trials"] > settings().trials
    assert settings().sized(gpus=True).epochs == FULL["epochs"] > settings().epochs
    told = settings(trials=3).sized(gpus=True)
    assert (told.trials, told.epochs) == (3, FULL["epochs"])


@pytest.mark.parametrize(
    ("num_train", "epochs"), [(60, 100), (672, 24), (1440, 11), (4000, 6), (40_000, 6)]
)
def test_without_generated_images_epochs_follow_from_how_many_there_are(
    num_train: int, epochs: int
) -> None:
    assert settings().sized(num_train=num_train).epochs == epochs
    assert settings().sized(num_train=num_train, gpus=True).epochs == 2 * epochs
    assert settings(epochs=5).sized(num_train=num_train, gpus=True).epochs == 5
    assert settings().sized() == settings()


def test_the_objective_names_metric_and_direction() -> None:
    assert (settings().objective.metric, settings().objective.mode) == ("valid_nll", "min")
    accuracy = settings(objective="accuracy").objective
    assert (accuracy.metric, accuracy.mode) == ("valid_exact_match", "max")


def test_json_round_trip() -> None:
    given = settings(time_budget_s="2h", gpus_per_trial="1/3", fixed={"cut": "6"})
    assert Settings.model_validate_json(given.model_dump_json()) == given
    assert Settings.parse(given.model_dump(mode="json")) == given
