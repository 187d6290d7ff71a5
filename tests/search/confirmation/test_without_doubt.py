"""A comparison that rests on labels in doubt is told; one that does not is left alone."""

from pathlib import Path
from typing import Any

from search.confirmation.label_errors import find_label_errors
from search.confirmation.without_doubt import turned
from search.store.listed import FITS, read_rows
from tests.search._confirmed import FOLDS, listed, plain, rows_of, told

ROOT = Path(__file__).parents[3]


def row(name: str, nlls: list[float | None], arch: str = "crnn") -> dict[str, Any]:
    return {"name": name, "arch": arch, "nlls": nlls, "images": ["a", "b", "c"][: len(nlls)]}


def test_only_a_best_that_changes_is_told() -> None:
    sure, calm = row("sure", [0.1, 0.1, 9.0]), row("calm", [0.5, 0.5, 2.0])
    (note,) = turned([sure, calm], {"c"})
    assert note.startswith("crnn: without the images in doubt sure has the least NLL (0.1000, calm")
    assert turned([sure, calm], {"a"}) == turned([sure, calm], set()) == []
    # Of one architecture each there is nothing to compare, and nothing if no image is left.
    assert turned([sure, row("calm", [0.5, 0.5, 2.0], "pooled")], {"c"}) == []
    assert turned([sure, calm], {"a", "b", "c"}) == []


def test_a_candidate_with_fewer_trainings_does_not_compare() -> None:
    calm = [row("calm", [0.5, 0.5, 2.0])] * 2
    assert turned([row("sure", [0.1, 0.1, 9.0]), *calm], {"c"}) == []
    assert turned([row("broken", [0.1, 0.1, None])] * 2 + calm, {"c"})[0].count("inf") == 1


def test_the_list_of_labels_in_doubt_tells_it() -> None:
    """One is surer, and pays the more for the label that both contradict."""
    images = plain()
    held = [listed("crnn-001", fold) for fold in range(FOLDS)]
    bad = told(images, held[0], lambda *_: ("", 0.0, 0.0))["images"][0]

    def of(name: str, nll: float, paid: float) -> list[dict[str, Any]]:
        trials = [listed(name, fold) for fold in range(FOLDS)]
        return [
            rows_of(images, one, told(
                images, one, lambda n, t: ("777", paid, 0.9) if n == bad else (t, nll, 0.9)
            )) for one in trials
        ]  # fmt: skip

    found = find_label_errors([*of("sure", 0.01, 900.0), *of("calm", 0.2, 9.0)], images, "r")
    assert [one.image for one in found.found] == [bad]
    assert "without the images in doubt sure has the least NLL" in found.notes[-1]
    assert find_label_errors(of("sure", 0.01, 900.0), images, "r").notes == ()


def test_four_wrong_labels_decided_a_recorded_comparison() -> None:
    rows = list(read_rows(ROOT / "results/crnn-real" / FITS).values())
    (note,) = turned(rows, {f"{text}.png" for text in ("mxnw4", "ep85x", "wgnwp", "cdcb3")})
    assert "crnn-002 has the least NLL (0.0" in note
    assert "with them crnn-014 (0.0929, crnn-002 0.1578)" in note
