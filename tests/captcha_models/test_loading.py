"""What is loaded is loaded without a look for garbage, and only that."""

import gc
from importlib import import_module

import pytest

from captcha_models.loading import loading


def test_the_collector_rests_while_something_is_loaded_and_no_longer() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        with loading():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_goes_on_when_something_cannot_be_loaded() -> None:
    with pytest.raises(ImportError), loading():
        import_module("captcha_models.none")
    assert gc.isenabled()


def test_who_has_turned_the_collector_off_finds_it_off() -> None:
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
