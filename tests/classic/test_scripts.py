"""Scripts in the style of Keras 1 and 2 run as they are, by ``tricorn run``.

They stand in ``scripts``, assert what they say, and write into the folder they are run in.
"""

import sys
from pathlib import Path

import pytest

from tricorn import backend, cli, seeds

pytestmark = pytest.mark.heavy

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch, tmp_path):
    """The process after a script is as before: modules, paths, names, the phase."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = dict(sys.modules)
    backend.clear_session()
    seeds.set_random_seed(0)  # the scripts themselves leave their weights to chance
    yield
    for name in [n for n in sys.modules if n not in before and n.partition(".")[0] == "keras"]:
        del sys.modules[name]
    sys.modules.update({n: m for n, m in before.items() if n.partition(".")[0] == "keras"})
    sys.modules["__main__"] = before["__main__"]
    backend.clear_session()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path):
    assert cli.main(["run", str(path)]) == 0
