"""The driver killed hard at twenty moments of one search, and taken up again each time."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from search.store.records import read_run
from tests.faults import _driver
from tests.faults._agree import assert_agreed, assert_models, size, wait

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

KILLS, TRIALS = 20, 36
EARLY = 4
"""Every so many kills one comes while the driver starts; the others while trials run."""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.fault(
    "driver killed hard (SIGKILL) at random moments of one search",
    "resumed; each trial ended once; study, tables and models agree",
)
def test_twenty_kills_at_random_moments(
    tmp_path: Path, address: str, record_property: Callable[[str, object], None]
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    chance, started = random.Random(8), 5.0
    for number in range(KILLS):
        before, begin = size(run), time.monotonic()
        driver = _driver.start(address, run, log, trials=TRIALS)
        if number % EARLY == EARLY - 1:
            driver.join(chance.uniform(0, started))
        else:
            rows = chance.randint(1, 5)
            wait(lambda rows=rows, before=before: size(run) >= before + rows, driver)
            started = time.monotonic() - begin
            driver.join(chance.uniform(0, 0.25))
        assert driver.exitcode is None, "the search ended before it was killed often enough"
        _driver.kill(driver)
        if run.exists():
            read_run(run)  # Whole enough to be looked at, always.
    driver = _driver.start(address, run, log, trials=TRIALS)
    driver.join(300)
    assert driver.exitcode == 0

    records = read_run(run)
    assert_agreed(records, TRIALS)
    assert_models(records)
    begun = Counter(log.read_text().splitlines())
    again = sum(begun.values()) - len(begun)
    record_property("tried", KILLS)
    record_property("lost", f"{again} of {len(begun)} epochs trained again, no trial")
