"""The report: figures that say what the numbers say, and a page that needs nothing else."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tricorn.utils import report
from tricorn.utils.confusion import confusion_matrix

pytestmark = pytest.mark.engine_free


def test_confusion_matrix_counts_pairs():
    np.testing.assert_array_equal(
        confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2], 3), [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    )


def test_confusion_matrix_agrees_with_scikit_learn():
    theirs = pytest.importorskip("sklearn.metrics").confusion_matrix
    true, predicted = np.random.default_rng(0).integers(0, 7, (2, 500))
    np.testing.assert_array_equal(confusion_matrix(true, predicted, 7), theirs(true, predicted))


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [([0, 1], [0], "vectors of one length"), ([0, 3], [0, 1], r"lie in 0\.\.2, got 0\.\.3")],
)
def test_confusion_matrix_refuses(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(true, predicted, 3)


def test_curves_run_through_their_values():
    svg = ElementTree.fromstring(report.line_chart("Loss", {"training": [2.0, 1.0, 0.0]}))
    path = next(p.get("d") for p in svg.iter("path") if p.get("class") == "one")
    points = [tuple(map(float, point.split())) for point in re.split("[ML]", path)[1:]]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 - y0 == pytest.approx(y2 - y1)
    assert y0 < y1 < y2  # down the page is down in value
    assert [c.find("title").text for c in svg.iter("circle")][1] == "training, epoch 2: 1.0000"


@pytest.mark.parametrize(
    "values", [[0.5], [], [1.0, 1.0], [float("nan"), 1.0], [float("inf")], [1e-9, 2e-9], [1e6, 5.0]]
)
def test_curves_bear_odd_values(values):
    for percent in (False, True):
        svg = ElementTree.fromstring(report.line_chart("x", {"a": values, "b": values}, percent))
        numbers = [n for e in svg.iter() for n in (e.get("d"), e.get("y"), e.get("cy")) if n]
        assert not re.search("nan|inf", " ".join(numbers))


@pytest.mark.parametrize(
    ("low", "high", "percent"),
    [
        (0.0, 1.0, True),
        (0.45, 1.0, True),
        (0.9991, 0.9995, True),
        (0.01, 2.3, False),
        (3, 3, False),
    ],
)
def test_axis_is_round_and_holds_the_values(low, high, percent):
    first, last, step = report._ticks(low, high, percent)
    assert first <= low + 1e-9
    assert last >= high - 1e-9
    assert 1 <= round((last - first) / step) <= 7
    assert f"{step:e}"[0] in "125"


def test_confusion_figure_has_every_count():
    svg = ElementTree.fromstring(report.confusion_figure(np.array([[30, 0], [2, 40]])))
    titles = [title.text for title in svg.iter("title")]
    assert titles == [
        "30 of 30 times a 0 was read as 0",
        "0 of 30 times a 0 was read as 1",
        "2 of 42 times a 1 was read as 0",
        "40 of 42 times a 1 was read as 1",
    ]


def test_page_is_self_contained_and_escaped(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 60)
    probabilities = rng.dirichlet(np.ones(10), 60)
    probabilities[:50] = np.eye(10)[truth[:50]]
    guess = probabilities.argmax(1)
    path = tmp_path / "report.html"
    report.write_report(
        path,
        title="<Digits>",
        lead="a & b",
        facts={"accuracy": "98%"},
        history={
            "loss": [1, 0.5],
            "val_loss": [1, 0.4],
            "accuracy": [0, 1],
            "val_accuracy": [0, 1],
        },
        images=rng.integers(0, 17, (60, 8, 8)),
        truth=truth,
        probabilities=probabilities,
        matrix=confusion_matrix(truth, guess, 10),
        summary="<model>",
    )
    page = path.read_text(encoding="utf-8")
    assert "&lt;Digits&gt;" in page
    assert "<Digits>" not in page
    assert "&lt;model&gt;" in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    wrong = int(np.sum(guess != truth))
    assert page.count('class="card wrong"') == wrong > 0
    assert page.count("<figure") == wrong + 24
