"""Where ``K`` is tested: on each engine, and in a plain ``tf.Graph``."""

import contextlib
import importlib.util

import pytest

import tricorn as keras
from tricorn import backend as K
from tricorn.engines import registry

LIBRARY = {"graph": "tensorflow"}


@contextlib.contextmanager
def graph():
    import tensorflow as tf

    with registry.use("tensorflow"), tf.Graph().as_default():
        yield


def enter(place):
    """The block that runs at a place."""
    return graph() if place == "graph" else registry.use(place)


@pytest.fixture(params=["jax", "torch", "tensorflow", "graph"])
def place(request):
    library = LIBRARY.get(request.param, request.param)
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    keras.set_random_seed(11)
    with enter(request.param):
        yield request.param
    K.clear_session()


@pytest.fixture
def is_graph(place):
    """Whether tensors belong to a graph, so that nothing is computed at once."""
    return place == "graph"
