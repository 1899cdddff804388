"""Callbacks in trainings of models: going on after an interruption, averages, servers."""

import http.server
import json
import sys
import threading
import types
import urllib.parse

import numpy as np
import pytest

import tricorn
from tricorn import callbacks, layers, optimizers


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(22, 3)).astype("float32"), rng.normal(size=(22, 1)).astype("float32")


def make(optimizer="adam", **settings):
    tricorn.set_random_seed(3)
    model = tricorn.Sequential(
        [tricorn.Input((3,)), layers.Dropout(0.3), layers.Dense(1, name="out")]
    )
    model.compile(optimizer, "mse", **settings)
    return model


class Interruption(Exception):
    pass


class Interrupt(callbacks.Callback):
    def __init__(self, epoch, batch=None):
        super().__init__()
        self.at = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.at == (epoch, None):
            raise Interruption

    def on_train_batch_end(self, batch, logs=None):
        if self.at == (self.epoch, batch):
            raise Interruption


def fit(model, *extra, **settings):
    x, y = data()
    return model.fit(x, y, batch_size=4, epochs=4, verbose=0, callbacks=list(extra), **settings)


def test_a_backup_is_deleted_at_the_end(tmp_path):
    with pytest.raises(Interruption):
        fit(make(), callbacks.BackupAndRestore(tmp_path / "a"), Interrupt(1))
    assert {path.suffix for path in (tmp_path / "a").iterdir()} == {".state", ""}
    assert fit(make(), callbacks.BackupAndRestore(tmp_path / "a")).epoch == [0, 1, 2, 3]
    assert not (tmp_path / "a").exists()
    (tmp_path / "mine.txt").write_text("stays")
    fit(make(), callbacks.BackupAndRestore(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


class Watch(callbacks.Callback):
    """Notes the weights at the moments of a run."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def _note(self, *args, **kwargs):
        self.seen.append(self.model.layers[-1].get_weights()[0].copy())

    on_epoch_end = on_test_batch_end = on_predict_batch_end = _note


@pytest.mark.parametrize("several", [False, True])
def test_averages_in_place_of_the_weights(several):
    inner = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    if several:
        mapping = optimizers.OptimizerMap(optimizers.SGD(0.1), {".*kernel": inner})
        model = make(optimizers.LossScaleOptimizer(optimizers.MultiOptimizer(mapping)))
    else:
        model = make(inner)
    x, y = data()
    model.evaluate(x, y, verbose=0, callbacks=[callbacks.SwapEMAWeights()])  # no averages yet
    for swap_on_epoch in (False, True):
        before, swap, after = Watch(), callbacks.SwapEMAWeights(swap_on_epoch), Watch()
        model.fit(x, y, 22, 2, verbose=0, callbacks=[before, swap, after], validation_data=(x, y))
        averages = next(iter(inner._tricorn.averages.values())).numpy()
        kernel = model.layers[-1].kernel
        np.testing.assert_array_equal(kernel.numpy(), averages)
        in_test, at_end = after.seen[0::2], after.seen[1::2]
        assert len(in_test) == len(at_end) == 2
        assert np.array_equal(in_test[1], at_end[1]) is swap_on_epoch
        np.testing.assert_array_equal(in_test[-1], averages)
    weights = kernel.numpy() + 1
    kernel.assign(weights)
    for run in (lambda **how: model.evaluate(x, y, **how), lambda **how: model.predict(x, **how)):
        watch = Watch()
        run(verbose=0, callbacks=[callbacks.SwapEMAWeights(), watch])
        np.testing.assert_array_equal(watch.seen[0], averages)
        np.testing.assert_array_equal(kernel.numpy(), weights)


def test_averages_need_an_optimizer_that_keeps_them():
    with pytest.raises(ValueError, match="use_ema=True"):
        fit(make(), callbacks.SwapEMAWeights(swap_on_epoch=True))


def test_reduce_on_plateau_sets_the_rates_of_all_optimizers():
    adam, sgd = optimizers.Adam(0.01), optimizers.SGD(0.1)
    model = make(optimizers.MultiOptimizer(optimizers.OptimizerMap(sgd, {".*bias": adam})))
    history = fit(
        model,
        callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, factor=0.5),
    ).history
    assert history[f"learning_rate_{sgd.name}"] == pytest.approx([0.1, 0.1, 0.05, 0.025])
    assert float(adam.learning_rate) == pytest.approx(0.01 / 8)


@pytest.fixture
def server():
    """A server that keeps what it is sent: (path, headers, body)."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.path, self.headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as one:
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{one.server_port}", got
        one.shutdown()
        thread.join()


@pytest.mark.engine_free
def test_remote_monitor(server):
    root, got = server
    logs = {"loss": np.float32(0.5), "rates": np.array([1, 2])}
    expected = {"epoch": 3, "loss": 0.5, "rates": [1, 2]}
    callbacks.RemoteMonitor(root, "/here/", headers={"X-Mine": "yes"}).on_epoch_end(3, logs)
    callbacks.RemoteMonitor(root, send_as_json=True).on_epoch_end(3, logs)
    (path, headers, body), (other, json_headers, json_body) = got
    assert (path, other, headers["X-Mine"]) == ("/here/", "/publish/epoch/end/", "yes")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert json.loads(urllib.parse.parse_qs(body)["data"][0]) == expected
    assert json_headers["Content-Type"] == "application/json"
    assert json.loads(json_body) == expected
    with pytest.warns(UserWarning, match="could not reach"):
        callbacks.RemoteMonitor("http://127.0.0.1:1").on_epoch_end(0, logs)


def recorded():
    history = callbacks.History()
    history.history = {"accuracy": [0.5, 0.75], "loss": [2.0, 1.0], "val_loss": [3.0, 2.5]}
    return history


@pytest.mark.engine_free
def test_a_history_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    figure = recorded().plot(path=tmp_path / "a.svg")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines == {"training": [2.0, 1.0], "validation": [3.0, 2.5]}
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    assert [axes.get_ylabel() for axes in recorded().plot(["accuracy"]).axes] == ["accuracy"]
    with pytest.raises(ValueError, match="no metric 'f1'; there are: accuracy, loss"):
        recorded().plot(["f1"])


def test_a_plot_that_lives(tmp_path, monkeypatch):
    """In a notebook the figure is shown once, and then changed."""
    pytest.importorskip("matplotlib")
    shown = []

    class Handle:
        def update(self, figure):
            shown.append(("update", len(figure.axes[0].lines[0].get_xdata())))

    def display(figure, display_id):
        shown.append(("display", len(figure.axes[0].lines[0].get_xdata())))
        return Handle()

    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    model = make()
    history = fit(model, callbacks.LivePlot(tmp_path / "live.png"))
    assert shown == [("display", 1), ("update", 2), ("update", 3), ("update", 4)]
    assert history is model.history and len(history.history["loss"]) == 4
    assert (tmp_path / "live.png").read_bytes().startswith(b"\x89PNG")
