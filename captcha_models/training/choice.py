"""Choice of a model by a confirmation, as its file says it: by how many trainings, how sure."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from captcha_models.words import counted


class Figure(BaseModel):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


class Figures(BaseModel):
    """How models of one configuration read images that they had not seen.

    Attributes:
        num_images: different images.
        num_fits: trainings.
        nll: nats per image.
        exact_match: share of whole labels read.
        cer: character error rate; None in results of version 0.1.
    """

    num_images: int
    num_fits: int
    nll: Figure
    exact_match: Figure
    cer: Figure | None = None


class Choice(BaseModel):
    """What a confirmation says of the configuration that a model was trained by.

    The model itself was then trained on all that is not locked, so no image is left to score it:
    the figures are those of the trainings that chose its configuration.

    Attributes:
        space: the search space.
        trial: the trial that first had the configuration.
        confirmed: whether the trainings were enough to tell.
        says: why, or why not, in words.
        folds: that the images were divided into, one for each training.
        held_out: figures on the folds that the trainings held out.
        test: figures on the locked test set; None if it was left alone.
        key: of the training that gave the model.
    """

    model_config = ConfigDict(extra="forbid")

    space: str
    trial: str
    confirmed: bool
    says: str
    folds: int
    held_out: Figures
    test: Figures | None = None
    key: str

    def describe(self, num_train: int) -> str:
        """Which model it is, in one line."""
        trained = f"trained on {counted(num_train, 'image')}"
        if self.confirmed:
            return f"the confirmed winner {self.trial}, {trained}"
        return f"{self.trial}, {trained}, not confirmed: {self.says}"

    def rows(self) -> list[dict[str, Any]]:
        """The figures as a model card lists them, each with its interval."""
        found = []
        for part, of, where in (
            ("held_out", self.held_out, "held out"),
            ("test", self.test, "of the locked test set"),
        ):
            if of is None:
                continue
            about = f"{counted(of.num_images, 'image')} {where}, {counted(of.num_fits, 'training')}"
            for name, title in _TITLES.items():
                one: Figure | None = getattr(of, name)
                if one:
                    found.append({"name": f"{part}_{name}", "title": f"{title}, {about}",
                                  "value": one.mean, "ci95": [one.low, one.high]})  # fmt: skip
        return found


_TITLES = {
    "exact_match": "captchas read",
    "nll": "NLL, nats per captcha",
    "cer": "character error rate",
}
