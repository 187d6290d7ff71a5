"""Confirmation of a search: its trials, the choice, the test-set evaluation, the files."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.architectures import check, config_class
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from captcha_models.secrets import HIDDEN
from search.confirmation.candidates import (
    Candidate,
    Plan,
    about,
    candidates,
    confirm,
    judge,
    plan_digest,
    with_temperature,
)
from search.store.jsonl import write_json
from search.store.listed import ListedTrial, Row
from search.store.records import Records, now, whole
from search.store.storage import Storage
from search.store.test_set_log import Ledger, locked_digest
from search.tuning.initial import load_init
from search.tuning.list_run import ListRun
from search.tuning.plan import load_again, load_outside

if TYPE_CHECKING:
    from captcha_models.training.initial import Initial

FOLDER = "confirmed"
TRIALS = "fits"
"""Folder of the trials within it; fits.jsonl beside it is their table of earlier versions."""
RESOURCES = ("gpus_per_trial", "cpus_per_trial", "max_concurrent")
"""Options that are the search's own unless given; `stall_s` is always the search's."""
DEFAULTS: dict[str, Any] = {
    "top": 5, "seeds": 5, "test_seeds": 3, "baseline_epochs": None, "no_test": False,
    "force": False, "data": None, "address": None, "storage": None, **dict.fromkeys(RESOURCES),
}  # fmt: skip
"""The options of `search.confirm`."""


@dataclass
class Confirmation:
    """What a session is given.

    Attributes:
        records: of the run.
        spaces: of the run, to be confirmed.
        options: as search.confirm names them.
        say: prints one line.
        num_cpus: of a private local Ray; None is all.
        images: of the search, if they are at hand; else they are loaded from where it had them.
    """

    records: Records
    spaces: tuple[str, ...]
    options: Mapping[str, Any]
    say: Callable[[str], None]
    num_cpus: int | None = None
    images: LabelledImages | None = None
    plan: Plan = field(init=False)

    def __post_init__(self) -> None:
        options = self.options
        names = ("top", "seeds", "test_seeds", "baseline_epochs")
        self.plan = Plan(**{k: options[k] for k in names}, seed=self.settings["seed"])

    @property
    def settings(self) -> dict[str, Any]:
        """Of the search."""
        found: dict[str, Any] = self.records.run["settings"]
        return found

    def run(self) -> dict[str, Any]:
        """Confirm all spaces, then evaluate once on the test set; results by space.

        Raises:
            InputError: other images than the search's, or a second test-set evaluation.
            KeyboardInterrupt: a second call goes on.
        """
        with whole(self.records.path):
            load_outside(self.settings)
            images = self._load()
            found = {name: candidates(self.records, name, self.plan) for name in self.spaces}
        if "valid" in (images.parts or ()):
            self.say(
                "the images bring what validates with them: every training is scored on these, so "
                "the seeds are fresh and the folds are not"
            )
        fits = [fit for own in found.values() for one in own for fit in one.fits(self.plan)]
        for fit in fits:
            check(config_class(fit.arch).parse(fit.config), images, fit.split(images))
        digest = locked_digest(images)
        ledger = Ledger(self.records.path.resolve().parent, digest)
        plan = plan_digest(fits, images.digest, self.plan)
        force, looks = self.options["force"], not self.options["no_test"]
        if looks:
            # Before hours are spent on what would then be refused.
            ledger.assert_free(plan, force)
        trials = self._list(images)
        groups = iter(
            _dealt(trials, [one.fits(self.plan) for own in found.values() for one in own])
        )
        results = {
            name: {
                **about(self.records, self.plan),
                "space": name,
                **confirm(own, [next(groups) for _ in own], self.settings.get("target_nll")),
                "test": None,
            }
            for name, own in found.items()
        }
        for name, result in results.items():
            result["test"] = self._judged_before(name, result)
            self._write(name, result)
        if looks and any(result["chosen"] for result in results.values()):
            ledger.take(plan, str(self.records.path), force, spaces=list(self.spaces))
            self.say(f"test-set evaluation: recorded in {ledger.path}")
            if self._judge(trials, found, results, digest):
                ledger.finish(plan)
        return results

    def _load(self) -> LabelledImages:
        images = load_again(self.records, self.options["data"], self.images)
        self.say(images.describe())
        return images

    def _init(self) -> "Initial | None":
        """The model that the search's trials started from."""
        return load_init(self.settings, self.records.run.get("init"))

    def _list(self, images: LabelledImages) -> ListRun:
        own = {k: self.settings[k] for k in (*RESOURCES, "stall_s") if k in self.settings}
        given = {k: self.options[k] for k in RESOURCES if self.options[k] is not None}
        return ListRun(
            self._folder / TRIALS, images, self.say, self.options["address"], self.num_cpus,
            self._storage(), {**own, **given}, init=self._init(),
        )  # fmt: skip

    def _storage(self) -> str | None:
        """Where the search kept its run, if that was not its folder; passwords are not recorded."""
        kept = self.records.run.get("storage")
        if kept and HIDDEN in kept:
            if not self.options.get("storage"):
                raise InputError(f"the run is kept in {kept}: give --storage with its keys again")
            kept = Storage(self.options["storage"]).child(self.records.path.name).place
        if not kept and (given := self.options.get("storage")):
            kept = Storage(given).child(self.records.path.name).place
        return Storage(kept).child(FOLDER).child(TRIALS).place if kept else None

    def _judge(
        self,
        trials: ListRun,
        found: Mapping[str, list[Candidate]],
        results: dict[str, Any],
        digest: str,
    ) -> bool:
        """Train winners and baselines on all that is not locked and score them on what is.

        Returns:
            Whether no trial has failed, so that nothing is left to be done.
        """
        groups, lines = [], {}
        for name, result in results.items():
            figures_of = {line["name"]: line for line in result["candidates"]}
            if result["chosen"] is None:
                continue
            lines[name] = figures_of[result["chosen"]]
            for wanted in (result["chosen"], next(one.name for one in found[name] if one.baseline)):
                one = next(one for one in found[name] if one.name == wanted)
                # A baseline that failed before is tried again; nothing was fitted to it.
                temperature = figures_of[wanted]["temperature"] if wanted in figures_of else 1.0
                groups.append(one.test_fits(self.plan, temperature))
        dealt = iter(_dealt(trials, groups))
        whole = True
        for name, line in lines.items():
            winner, baseline = next(dealt), next(dealt)
            both = [row for row in winner if row], [row for row in baseline if row]
            if len(both[0]) < len(winner) or len(both[1]) < len(baseline):
                whole = False
                continue
            results[name]["test"] = {"digest": digest, "time": now(), **judge(*both, line)}
            self._write(name, results[name])
        return whole

    def _judged_before(self, name: str, result: Mapping[str, Any]) -> Any:
        """An earlier test-set evaluation of the same choice, so that --no-test loses nothing."""
        try:
            before = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
            same = all(before[key] == result[key] for key in ("plan", "chosen"))
            return before["test"] if same else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def _folder(self) -> Path:
        return self.records.path / FOLDER

    def _write(self, name: str, result: dict[str, Any]) -> None:
        """The results, and the recommended configuration with the confirmed temperature."""
        write_json(self._folder / f"{name}.json", result)
        line = next((one for one in result["candidates"] if one["chosen"]), None)
        if line:
            arch = self.records.run["spaces"][name]["space"].get("arch", name)
            values = with_temperature(arch, line["config"], line["temperature"])
            config_class(arch).parse(values).save(self._folder / f"{name}.toml")


def _dealt(trials: ListRun, groups: Sequence[Sequence[ListedTrial]]) -> list[list[Row | None]]:
    """Train groups of fits as one list; the rows, in the same groups.

    Seed by seed, so that one that is interrupted says as much of each candidate.
    """
    fits = [fit for group in groups for fit in group]
    order = sorted(range(len(fits)), key=lambda i: fits[i].seed)
    rows = dict(zip(order, trials.run([fits[i] for i in order]), strict=True))
    place = iter(range(len(fits)))
    return [[rows[next(place)] for _ in group] for group in groups]
