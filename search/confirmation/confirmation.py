"""Confirmation of a search: its trials, the choice, the test-set evaluation, files, models."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captcha_models.architectures import check, config_class
from captcha_models.data.images import LabelledImages
from captcha_models.errors import InputError
from captcha_models.secrets import HIDDEN
from captcha_models.words import counted
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
from search.confirmation.final import Winner, clear_kept, file_of, place, put_best, train_finals
from search.store.disk_full import writing
from search.store.jsonl import write_json
from search.store.listed import CONFIRMED, FITS
from search.store.records import Records, now, read_run, whole
from search.store.run_folder import RunFolder
from search.store.storage import Storage
from search.store.sync import DivergedError
from search.store.test_set_log import Ledger, locked_digest
from search.tuning.initial import load_init
from search.tuning.list_run import ListRun
from search.tuning.plan import load_again, load_outside
from search.tuning.session import Doing, quiet
from search.tuning.task import Trainable, train

if TYPE_CHECKING:
    from captcha_models.training.initial import Initial

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
        train: what a training does.
        doing: shows what is being done while there is no progress to show.
    """

    records: Records
    spaces: tuple[str, ...]
    options: Mapping[str, Any]
    say: Callable[[str], None]
    num_cpus: int | None = None
    images: LabelledImages | None = None
    train: Trainable = train
    doing: Doing = quiet
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
        with ExitStack() as kept:
            return self._run(kept)

    def _run(self, kept: ExitStack) -> dict[str, Any]:
        self._bring_up()
        with whole(self.records.path):
            load_outside(self.settings)
            self.doing("reading the images")
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
        trials = self._list(images, kept)
        groups = iter(
            trials.run_groups([one.fits(self.plan) for own in found.values() for one in own])
        )
        results = {
            name: {
                **about(self.records, self.plan),
                "space": name,
                **confirm(own, [next(groups) for _ in own], self.settings.get("target_nll")),
                "test": None,
                "model": None,
            }
            for name, own in found.items()
        }
        for name, result in results.items():
            result["test"] = self._judged_before(name, result)
            self._write(name, result)
        winners = [
            Winner.of(name, _named(found[name], line["name"]), line, self.plan)
            for name, result in results.items()
            if (line := _chosen(result))
        ]
        judged = False
        if looks and winners:
            ledger.take(plan, str(self.records.path), force, spaces=list(self.spaces))
            self.say(f"test-set evaluation: recorded in {ledger.path}")
            judged = self._judge(trials, found, winners, results, digest)
        self._keep_models(trials, winners, results)
        if judged:
            # Last, so that one that was killed before goes on.
            ledger.finish(plan)
        self.doing("ending Ray")
        return results

    def _load(self) -> LabelledImages:
        images = load_again(self.records, self.options["data"], self.images)
        self.say(images.describe())
        return images

    def _init(self) -> "Initial | None":
        """The model that the search's trials started from."""
        return load_init(self.settings, self.records.run.get("init"), self.records.path)

    def _list(self, images: LabelledImages, lasting: ExitStack) -> ListRun:
        own = {k: self.settings[k] for k in (*RESOURCES, "stall_s") if k in self.settings}
        given = {k: self.options[k] for k in RESOURCES if self.options[k] is not None}
        return ListRun(
            self.records.path / FITS, images, self.say, self.options["address"], self.num_cpus,
            kept.child(FITS).place if (kept := self._storage()) else None, {**own, **given},
            train=self.train, init=self._init(), doing=self.doing, kept=lasting,
        )  # fmt: skip

    def _storage(self) -> Storage | None:
        """Where the search kept its run, if that was not its folder; passwords are not recorded."""
        kept = self.records.run.get("storage")
        if kept and HIDDEN in kept:
            if not self.options.get("storage"):
                raise InputError(f"the run is kept in {kept}: give --storage with its keys again")
            kept = Storage(self.options["storage"]).child(self.records.path.name).place
        if not kept and (given := self.options.get("storage")):
            kept = Storage(given).child(self.records.path.name).place
        return Storage(kept) if kept else None

    def _judge(
        self,
        trials: ListRun,
        found: Mapping[str, list[Candidate]],
        winners: Sequence[Winner],
        results: dict[str, Any],
        digest: str,
    ) -> bool:
        """Train winners and baselines on all that is not locked and score them on what is.

        Returns:
            Whether no trial has failed, so that nothing is left to be done.
        """
        groups = []
        for one in winners:
            lines = {line["name"]: line for line in results[one.space]["candidates"]}
            baseline = next(one for one in found[one.space] if one.baseline)
            # A baseline that failed before is tried again; nothing was fitted to it.
            temperature = lines.get(baseline.name, {"temperature": 1.0})["temperature"]
            groups += [one.tests, baseline.test_fits(self.plan, temperature)]
            of = f"{one.final.name} and the baseline"
            won = one.line["name"] == baseline.name
            of = "the baseline, which is the winner," if won else f"each of {of}"
            self.say(f"{one.space}: {counted(len(one.tests), 'training')} of {of} "
                     f"{one.cost(trials.images)}")  # fmt: skip
        dealt = iter(trials.run_groups(groups))
        whole = True
        for one in winners:
            winner, other = next(dealt), next(dealt)
            both = [row for row in winner if row], [row for row in other if row]
            if len(both[0]) < len(winner) or len(both[1]) < len(other):
                whole = False
                continue
            test = {"digest": digest, "time": now(), **judge(*both, one.line)}
            results[one.space]["test"] = test
            self._write(one.space, results[one.space])
        return whole

    def _keep_models(
        self, trials: ListRun, winners: Sequence[Winner], results: dict[str, Any]
    ) -> None:
        """Train what is missing of the final models, and put them where they are used."""
        run = self.records.path
        models, digest = train_finals(winners, trials, run, self.say), trials.images.digest
        placed = [one for one in winners if one.space in models]
        for one in placed:
            result = results[one.space]
            says = place(one, models[one.space], run, digest, result)
            result["model"] = {"file": str(file_of(Path(), one.space)), "says": says}
            self._write(one.space, result)
        clear_kept(placed, run, digest)
        best = put_best(run, results, self.settings.get("target_nll"))
        if best:
            which = results[best]["model"]["says"] if best in results else f"the winner of {best}"
            self.say(f"{run / 'best'}: {which}; predict, export and evaluate take it")
        elif winners:
            self.say(f"the final training of the best has failed: {run / 'best'} is as it was")
        self._push()

    def _bring_up(self) -> None:
        """Take from the storage of a run what it went on with elsewhere, before it is judged."""
        if self.records.run.get("storage") and (store := self._storage()):
            self.doing("looking whether the run went on elsewhere")
            RunFolder.open(self.records.path, store, self.say).close()
            self.records = read_run(self.records.path)

    def _push(self) -> None:
        """Bring the copy of a run that is kept in a storage up to date."""
        run = self.records.path
        if self.records.run.get("storage") and (store := self._storage()):
            try:
                RunFolder.open(run, store, self.say).close()
            except DivergedError as error:
                self.say(f"the confirmation is whole in {run}, and nowhere else: {error}")
            except InputError as error:
                # Not the same command: the look at the test set is over, and is refused again.
                self.say(
                    f"the confirmation is whole in {run}, and not yet in {store.place}: {error}; "
                    "the same command with --no-test and without --force sends it, and trains "
                    "nothing again"
                )

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
        return self.records.path / CONFIRMED

    def _write(self, name: str, result: dict[str, Any]) -> None:
        """The results, and the recommended configuration with the confirmed temperature."""
        with writing(self.records.path, "the same command"):
            write_json(self._folder / f"{name}.json", result)
            if line := _chosen(result):
                arch = self.records.run["spaces"][name]["space"].get("arch", name)
                values = with_temperature(arch, line["config"], line["temperature"])
                config_class(arch).parse(values).save(self._folder / f"{name}.toml")


def _chosen(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The winner's line."""
    return next((one for one in result["candidates"] if one["chosen"]), None)


def _named(found: Sequence[Candidate], name: str) -> Candidate:
    return next(one for one in found if one.name == name)
