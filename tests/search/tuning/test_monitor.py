"""What trials and machines cost, who is silent, and who waits for what."""

from types import SimpleNamespace
from typing import Any

import pytest

from captcha_models.errors import InputError
from search.cluster.connection import Node, Share
from search.tuning.monitor import Monitor
from search.tuning.settings import Settings, prices
from search.tuning.stopping import Stopping

HEAD = Node(0, 0, "head", "10.0.0.1")
BOX = Node(4, 1, "gpu", "10.0.0.2")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time and machines as the test sets them."""
    world = SimpleNamespace(now=1000.0, nodes=(HEAD, BOX), growth=0)
    monkeypatch.setattr("search.tuning.monitor.time.monotonic", lambda: world.now)
    monkeypatch.setattr("search.tuning.monitor.machines_up", lambda: (world.nodes, world.growth))
    return world


def watch(said: list[str], **values: Any) -> Monitor:
    given = {"prices": {"head": 0.1, "gpu": 1.0}, "max_cost": None, "stall_s": None, **values}
    return Monitor(share=Share(2, 0.5, 2), say=said.append, **given)


def trial(name: str, status: str, actor: object = None) -> SimpleNamespace:
    state = SimpleNamespace(ray_actor=actor)
    return SimpleNamespace(config={"trial": name}, status=status, temporary_state=state)


def test_a_run_pays_for_all_machines_and_a_trial_for_what_it_held(clock: SimpleNamespace) -> None:
    eye = watch([])
    eye.step([])
    eye.started("a")
    clock.now += 1800
    eye.heard("a", BOX.address)
    eye.step([])
    assert eye.spent == pytest.approx(0.5 * 1.1)
    # Half of its GPU for half an hour: a quarter of an hour's price.
    assert eye.ended("a") == {"gpu_seconds": 900.0, "cost": pytest.approx(0.25)}
    assert eye.gpu_seconds == 900.0
    assert eye.ended("unknown") == {"gpu_seconds": 0.0, "cost": 0.0}


def test_machines_that_are_gone_cost_nothing_more(clock: SimpleNamespace) -> None:
    eye = watch([])
    eye.step([])
    clock.nodes = (HEAD,)
    clock.now += 3600
    eye.step([])
    assert eye.spent == pytest.approx(0.1)


def test_a_kind_without_a_price_takes_the_general_one(clock: SimpleNamespace) -> None:
    eye = watch([], prices={"": 2.0})
    eye.step([])
    clock.now += 3600
    eye.step([])
    assert eye.spent == pytest.approx(4.0)


def test_without_prices_a_trial_has_no_cost_but_its_gpu_seconds(clock: SimpleNamespace) -> None:
    eye = watch([], prices={})
    eye.step([])
    eye.started("a")
    clock.now += 10
    eye.heard("a", BOX.address)
    assert eye.ended("a") == {"gpu_seconds": 5.0, "cost": None}


def test_a_search_that_has_cost_enough_begins_no_trial(clock: SimpleNamespace) -> None:
    control = Stopping()
    control.monitor = watch([], max_cost=1.0)
    control.monitor.step([])
    clock.now += 1800
    control.monitor.step([])
    assert not control.closed
    clock.now += 1800
    control.monitor.step([])
    assert control.cost_reached
    assert control.closed
    assert not control.cut


def test_a_trial_that_waits_is_said_to_and_why(clock: SimpleNamespace) -> None:
    said: list[str] = []
    eye, waiting = watch(said), [trial("a", "PENDING"), trial("b", "RUNNING")]
    for _ in range(5):
        eye.step(waiting)
        clock.now += 10
    assert said == ["waiting: a: each asks for 2 CPUs and 0.5 GPU; all machines are in use"]
    clock.growth, clock.now = 3, clock.now + 60
    eye.step(waiting)
    assert "a machine is to be added (up to 3 more)" in said[-1]
    clock.growth, clock.nodes, clock.now = 0, (HEAD,), clock.now + 60
    eye.step(waiting)
    assert "no machine that is up can hold that" in said[-1]
    eye.started("a")
    clock.now += 60
    eye.step([])
    assert len(said) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [("head=0.1,gpu=1", {"head": 0.1, "gpu": 1.0}), ("0.5", {"": 0.5}), ("", {})],
)
def test_prices_are_read(text: str, found: dict[str, float]) -> None:
    assert prices(text) == found
    assert Settings.parse({"spaces": ("crnn",), "prices": text}).prices == found


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"prices": "gpu=dear"}, "write head=0.10,gpu=1.01"),
        ({"prices": "gpu=-1"}, "greater than or equal to 0"),
        ({"max_cost": 5}, "--max-cost 5 needs --prices"),
        ({"stall_s": "soon"}, "write seconds"),
    ],
)
def test_wrong_costs_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Settings.parse({"spaces": ("crnn",), **values})
