"""Long runs are flat: what `benchmarks/long_runs.py` shows for many rounds, for a few."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "long_runs.py"
if not PATH.exists() or not Path("/proc/self/fd").exists():
    pytest.skip("needs the benchmarks, and a system with /proc", allow_module_level=True)
spec = importlib.util.spec_from_file_location("long_runs", PATH)
long_runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(long_runs)

#: what is done again and again -> (how often before, and while it is counted)
USES = {
    "steps": (2000, 4000), "fits": (5, 40), "fits_of_workers": (5, 30),
    "fits_of_datasets": (5, 30), "predicts": (10, 50), "calls": (10, 50), "batches": (10, 50),
}  # fmt: skip


@pytest.mark.parametrize("what", USES)
def test_using_a_model_leaves_nothing(what):
    warm, rounds = USES[what]
    _, (memory, objects, files, threads) = long_runs.growth(getattr(long_runs, what), rounds, warm)
    assert memory * rounds < 32  # MB: pages that the system's memory manager keeps, none a round
    assert (round(objects * rounds) // rounds, files, threads) == (0, 0, 0)


@pytest.mark.heavy
@pytest.mark.parametrize("what", ["models_cleared", "models"])
def test_models_leave_nothing(what):
    _, (memory, objects, files, threads) = long_runs.growth(getattr(long_runs, what), 100, 30)
    assert memory < 0.3  # MB a model, of which an engine's own caches take some
    assert objects < 2 and (files, threads) == (0, 0)  # JAX keeps a weak reference for each
