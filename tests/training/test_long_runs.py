"""Long runs are flat: what `benchmarks/long_runs.py` shows for many rounds, for a few."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy

PATH = Path(__file__).parents[2] / "benchmarks" / "long_runs.py"
if not PATH.exists() or not Path("/proc/self/fd").exists():
    pytest.skip("needs the benchmarks, and a system with /proc", allow_module_level=True)
spec = importlib.util.spec_from_file_location("long_runs", PATH)
long_runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(long_runs)

#: what is done again and again -> how often, in each of three windows, of which one is flat: in
#: the others something may be traced or loaded once
USES = {
    "steps": 2000, "fits": 25, "fits_of_workers": 15, "fits_of_datasets": 15, "predicts": 50,
    "calls": 50, "batches": 50,
}  # fmt: skip


@pytest.mark.parametrize("what", USES)
def test_using_a_model_leaves_nothing(what):
    rounds = USES[what]
    _, more = long_runs.growth(getattr(long_runs, what), rounds, rounds // 2, windows=3)
    memory, objects, files, threads = more * rounds
    assert memory < 4  # MB: pages of the system's memory manager, no array a round
    assert (objects < rounds / 2, files, threads) == (True, 0, 0)


@pytest.mark.parametrize("what", ["models_cleared", "models"])
def test_models_leave_nothing(what, engine):
    kept = engine.name == "tensorflow" and what == "models"  # until clear_session(), see the docs
    _, more = long_runs.growth(getattr(long_runs, what), 50, 30, windows=2)
    memory, objects, files, threads = more
    assert memory < (1.5 if kept else 0.3)  # MB a model, of which an engine's own caches take some
    assert objects < 2 and (files, threads) == (0, 0)  # JAX keeps a weak reference for each
