"""All names of Keras 2.3.1's backend are there, with its arguments and defaults."""

import inspect
import json
from pathlib import Path

import pytest

import tricorn
from tests.backend import cases
from tricorn import backend as K

pytestmark = pytest.mark.engine_free

FOLDER = Path(__file__).parent
SIGNATURES = json.loads((FOLDER / "signatures.json").read_text())


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    found = inspect.signature(getattr(K, name))
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    assert str(inspect.Signature(plain)) == SIGNATURES[name]


def test_every_name_is_public_and_documented():
    assert {*SIGNATURES, "name_scope", "get_variable_shape"} <= set(K.__all__)
    assert all(getattr(K, name).__doc__ for name in K.__all__)
    assert tricorn.backend is K


def test_every_name_is_tested():
    """In a table, or by ``K.name`` in a file of tests."""
    tested = {case.name for table in cases.TABLES.values() for case in table}
    text = "".join(path.read_text() for path in FOLDER.glob("test_*.py"))
    uses = (f"K.{{}}{end}" for end in ("(", "\n", ","))
    patterns = list(uses)
    missing = {
        name
        for name in SIGNATURES
        if name not in tested and not any(p.format(name) in text for p in patterns)
    }
    assert not missing - {"zeros", "ones", "eye", "constant"}  # by name, in a table of test_values
