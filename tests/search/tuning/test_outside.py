"""An architecture of one's own in a search: its class reaches Ray's workers by value."""

from pathlib import Path

import pytest

import search
from captcha_models.data.images import LabelledImages

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("ray"),
]

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_example_is_searched_and_predicts(tmp_path: Path, drawn: LabelledImages) -> None:
    from captcha_models.architectures import resolve

    resolve(f"{EXAMPLES / 'own_architecture.py'}:Tiny")
    space = search.load_space(f"{EXAMPLES / 'own_space.py'}:SPACE")
    run = search.Experiment(
        drawn, space, name="r", runs_dir=tmp_path, trials=2, epochs=1, max_concurrent=2
    ).run()
    assert set(run.leaderboard()["state"]) <= {"completed", "stopped"}
    assert len(run.best().predict(drawn.pixels[:2])) == 2
    found = run.confirm(top=1, seeds=2)
    assert found["chosen"]
