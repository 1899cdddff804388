"""What holds for every test: the engines' environment, settings of its own, and the engine.

Tests marked ``heavy`` are left out unless ``-m`` names them: ``-m heavy`` runs them alone, and
``-m "heavy or not heavy"`` all but those marked ``live``, which ``-m live`` runs.

Every test runs once on each installed engine, which is the engine of the whole process meanwhile;
``--engine torch`` chooses some of them.  Two markers say otherwise, on a test or a module:

* ``pytest.mark.engine("jax", ...)``: what only these engines promise;
* ``pytest.mark.engine_free``: what does not compute, or chooses engines itself; runs once.

Tests of one module are ordered by engine, so a fixture of module scope that keeps tensors or
compiled functions asks for `engine`, and is then made once for each.  What the oracle says does
not depend on our engine: `tests.oracle.cached` computes it once for all.
"""

import gc
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

# Before anything imports an engine or Keras (the oracle, which runs on JAX).
os.environ.setdefault("KERAS_BACKEND", "jax")
# The tests compile thousands of small programs and run each a few times: compile them fast.  (The
# gradient of a small dense layer 142 -> 65 ms without the fusion emitters.)
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
os.environ["TRICORN_COMPILATION_CACHE"] = "0"
# Many are the same in several modules, in both processes of `-n 2`, and in the next run.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "jax")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Small tensors: threads cost more than they bring, and xdist has its own processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="tricorn-tests-")

from tricorn import config, dtype_policies, seeds
from tricorn.engines import known, registry

#: The engines that tests run on: every one whose library is installed.
ENGINES = [
    name for name in known.installed() if importlib.util.find_spec(known.KNOWN[name][0]) is not None
]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs are started
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--engine", action="append", choices=ENGINES, help="run on this engine only (repeatable)"
    )


def pytest_configure(config):
    # `-n`: each process takes a part of the list in its order, so that modules stay together
    if getattr(config.option, "dist", None) == "load":
        config.option.dist = "worksteal"


def pytest_collection_modifyitems(config, items):
    chosen = config.option.markexpr
    if "live" in chosen:
        return
    markers = ("live",) if "heavy" in chosen else ("heavy", "live")
    left = [item for item in items if any(map(item.get_closest_marker, markers))]
    config.hook.pytest_deselected(items=left)
    out = set(left)
    items[:] = [item for item in items if item not in out]


def leave_alone_what_is_imported():
    """Modules stay: garbage is collected hundreds of times, and not among their objects."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish(session):
    leave_alone_what_is_imported()


def pytest_sessionfinish(session):
    """What all runs so far compiled is thrown away before it fills the disk."""
    programs = Path(__file__).parent.parent / ".pytest_cache" / "jax"
    worker = hasattr(session.config, "workerinput")
    if not worker and sum(f.stat().st_size for f in programs.glob("*")) > 2**30:
        shutil.rmtree(programs)


def pytest_generate_tests(metafunc):
    definition = metafunc.definition
    if definition.get_closest_marker("engine_free") is not None:
        return
    chosen = metafunc.config.getoption("--engine") or ENGINES
    marker = definition.get_closest_marker("engine")
    names = [name for name in chosen if marker is None or not marker.args or name in marker.args]
    metafunc.parametrize("_engine", names, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def _engine(request):
    """Makes the test's engine that of the whole process."""
    name = getattr(request, "param", None)
    if name is None:
        yield None
        return
    before, is_first = config.backend(), name not in {x.name for x in registry.loaded()}
    registry.set_engine(name)
    engine = registry.load(name)
    if is_first:
        leave_alone_what_is_imported()
    yield engine
    registry.set_engine(before)


@pytest.fixture(scope="module")
def engine(_engine):
    """The engine of the test; None for tests free of engines."""
    return _engine


@pytest.fixture(autouse=True)
def _next_test_has_its_engine(_engine):
    """A test may choose another engine for the process: not for the next test."""
    before = config.backend()
    yield
    if config.backend() != before:
        registry.set_engine(before)


@pytest.fixture(autouse=True)
def _next_test_has_default_settings():
    """Tests, and the examples they run, may set what holds for the process: not for the next
    test."""
    yield
    if dtype_policies._global is not None:
        dtype_policies.set_dtype_policy(None)
    if seeds.is_portable(None):
        seeds.set_random_seed(0)
    if config.floatx() != "float32":
        config.set_floatx("float32")
    if config.image_data_format() != "channels_last":
        config.set_image_data_format("channels_last")


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Thousands of small programs, Keras's and ours, would fill gigabytes by the end."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
