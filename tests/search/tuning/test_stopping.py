"""When a search stops: the budget drains, a signal asks, a second one insists."""

import os
import signal
import time

import pytest

from search.tuning.stopping import Stopping


def test_without_a_budget_nothing_ever_stops() -> None:
    control = Stopping()
    control.start_budget(None)
    assert control.remaining_s is None
    assert not (control.closed or control.budget_spent or control.cut)


def test_a_spent_budget_closes_first_and_cuts_after_the_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    control = Stopping()
    control.start_budget(80.0)
    seen = []
    for clock in (179.0, 180.0, 199.0, 200.0):  # noqa: B007
        seen.append((control.closed, control.budget_spent, control.cut))
    assert seen == [(False,) * 3, (True, True, False), (True, True, False), (True,) * 3]
    assert control.remaining_s == 0.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_while_trials_run_and_a_second_one_insists(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.tuning.stopping.SAME_S", 0.0)
    control = Stopping()
    before = signal.getsignal(number)
    with control.signals():
        # As Ray does when it connects.
        signal.signal(number, signal.SIG_IGN)
        with control.searching():
            os.kill(os.getpid(), number)
            assert control.interrupted
            assert control.closed
            assert control.cut
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
                time.sleep(1)
    assert signal.getsignal(number) == before


def test_sigterm_to_a_command_and_to_its_group_is_one() -> None:
    control = Stopping()
    with control.signals(), control.searching():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
        assert control.interrupted


def test_a_signal_is_held_back_while_others_import() -> None:
    control, reached = Stopping(), False
    with pytest.raises(KeyboardInterrupt), control.signals(), control.holding():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        reached = True
    assert reached


@pytest.mark.fault("Ctrl-C or SIGTERM before the first trial", "ends at once, nothing written")
def test_a_signal_before_any_trial_ends_at_once() -> None:
    control = Stopping()
    with pytest.raises(KeyboardInterrupt), control.signals():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert control.interrupted
