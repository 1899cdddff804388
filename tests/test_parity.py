"""Every public name of the genuine Keras exists here, or is listed with the reason (parity.py)."""

from __future__ import annotations

import inspect
import re

import pytest

from tests import parity

pytestmark = pytest.mark.engine_free

NAMES = list(parity.names())
#: arguments that Keras takes and that are not taken here -> why
LACKING: dict[str, str] = {
    "Variable": "a layout is for models on several devices, yet to come",
    "backend.clear_session": "as in Keras 2; `utils.clear_session` takes it",
    "backend.set_epsilon": "the argument has the name that it has in Keras 2",
    "backend.set_floatx": "the argument has the name that it has in Keras 2",
}


def test_names_exist_or_are_listed() -> None:
    missing, there = set(), set()
    for name, _ in NAMES:
        try:
            parity.ours(name)
            there.add(name)
        except AttributeError:
            missing.add(name)
    unexplained = sorted(name for name in missing if parity.reason(name) is None)
    assert not unexplained
    present = [name for name in there if parity.reason(name) is not None]
    assert not present, "these are here now: take them off parity.MISSING"
    assert len(NAMES) > 1_400


def test_arguments_are_taken() -> None:
    found = {}
    for name, genuine in NAMES:
        if parity.reason(name) is None and (lacking := parity.lacking(name, genuine)):
            found[name] = lacking
    assert not {name: what for name, what in found.items() if name not in LACKING}
    assert set(LACKING) <= set(found)


def test_kinds_are_the_same() -> None:
    """Classes are classes, functions can be called."""
    for name, genuine in NAMES:
        if parity.reason(name) is None:
            assert callable(parity.ours(name)) or not callable(genuine), name
            if inspect.isclass(genuine) and issubclass(genuine, BaseException):
                assert issubclass(parity.ours(name), BaseException), name


def test_names_are_compared_or_listed() -> None:
    found = parity.uncompared()
    listed = [n for n in found if any(re.fullmatch(p, n) for p in parity.UNCOMPARED)]
    assert found == listed, "no test that runs Keras beside us speaks of these"
    for pattern in parity.UNCOMPARED:
        assert any(re.fullmatch(pattern, name) for name in found), pattern
