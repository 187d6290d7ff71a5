"""The tutorial, run as it stands on a small drawn set, with less to train.

And the commands that programs print on the way: each is run as printed, in the folder as it was.
"""

import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs._shown import ROOT, python, typed
from tests.docs._tried import printed, run, shorter, succeeded

TUTORIAL = ROOT / "docs" / "tutorial.md"
# One at a time: a worker more would take as long to start as both trials to train.
SHORTER = {
    " --time-budget 5m": (
        " --trials 2 --epochs 2 --set batch_size=16 --set cut=5 --max-concurrent 1"
    ),
    " --top 2 --seeds 3": " --top 1 --seeds 2 --test-seeds 1",
}
pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]


def test_the_tutorial_runs_as_it_stands_and_so_does_what_it_prints(
    meters: Path, record_property: Callable[[str, object], None]
) -> None:
    place, tried = meters.parent / "here", dict[str, str]()
    place.mkdir()
    for name in ("meters", "later"):
        (meters.parent / name).rename(place / name)
    commands = shorter("\n".join(typed(TUTORIAL)), SHORTER).splitlines()
    assert len(commands) >= 8
    for command in commands:
        said = succeeded(command, place)
        for new in [one for one in printed(said) if one not in tried]:
            copy = meters.parent / f"copy-{len(tried)}"
            shutil.copytree(place, copy)
            # A whole search would take minutes: as the tutorial's own it is made shorter.
            more = SHORTER[" --time-budget 5m"] if "search.run --space" in new else ""
            tried[new] = succeeded(new + more, copy)
    record_property("tried", len(tried))
    assert {shlex.split(one)[2] for one in tried} >= {
        "search.run", "search.confirm", "search.analyse", "captcha_models.export", "search.labels",
    }  # fmt: skip
    for left in ("meters.html", "report.html", "meters-model/model.onnx", "runs/meters/confirmed"):
        assert (place / left).exists(), left
    done = run([sys.executable, "-c", python(TUTORIAL)], place)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
