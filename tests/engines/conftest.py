"""The engines that tests run on: every one whose library is installed."""

import importlib.util

import pytest

from tricorn.engines import registry

ENGINES = [
    name
    for name in registry.installed()
    if importlib.util.find_spec(registry.KNOWN[name][0]) is not None
]


@pytest.fixture(params=ENGINES)
def engine(request):
    """An engine, which is also the active one."""
    with registry.use(request.param) as chosen:
        yield chosen


@pytest.fixture(scope="module", params=ENGINES)
def engine_for_properties(request):
    """An engine, kept for all examples of a property."""
    with registry.use(request.param) as chosen:
        yield chosen
