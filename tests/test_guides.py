"""The guides run on every engine; those on one framework's loops on that one."""

import pytest

from tests.test_docs import ROOT, run
from tricorn import config

pytestmark = pytest.mark.heavy

GUIDES = sorted(ROOT.glob("docs/guides/*.md"))
LOOPS = [page for page in GUIDES if page.stem.startswith("training-loop-")]


@pytest.fixture(autouse=True)
def _settings_as_before():
    yield
    config.set_dtype_policy(None)


@pytest.mark.parametrize("page", [p for p in GUIDES if p not in LOOPS], ids=lambda page: page.stem)
def test_guide_runs(page, engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.parametrize("page", LOOPS, ids=lambda page: page.stem)
def test_loop_runs_on_its_engine(page, engine, tmp_path, monkeypatch):
    if page.stem.endswith(engine.name):
        monkeypatch.chdir(tmp_path)
        run(page)


def test_every_engine_has_a_loop(engine):
    assert any(page.stem.endswith(engine.name) for page in LOOPS)
