"""`Checkpoint` and `CheckpointManager`: what is saved comes back, by whatever it is reached."""

import gc
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import tricorn as keras
from tricorn import atomic, ops, variable
from tricorn.saving.checkpoint import _State

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 4)).astype("float32")
Y = RNG.normal(size=(16, 2)).astype("float32")


class Net(keras.Model):
    """A subclassed model whose layers build at the first call."""

    def __init__(self):
        super().__init__()
        self.hidden = [keras.layers.Dense(5, "relu"), keras.layers.BatchNormalization()]
        self.drop = keras.layers.Dropout(0.5)
        self.heads = {"a": keras.layers.Dense(2)}

    def call(self, x, training=False):
        for layer in self.hidden:
            x = layer(x, training=training) if "batch" in layer.name else layer(x)
        return self.heads["a"](self.drop(x, training=training))


def trained(steps=3):
    model, optimizer = Net(), keras.optimizers.Adam(0.01)
    step = keras.Variable(0, dtype="int32", trainable=False)
    for _ in range(steps):
        train(model, optimizer, step)
    return model, optimizer, step


def train(model, optimizer, step):
    with keras.GradientTape() as tape:
        loss = ops.mean(ops.square(ops.subtract(model(X, training=True), Y)))
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    step.assign_add(1)


def values(*objects):
    return [v.numpy() for obj in objects for v in obj.variables]


def same(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want):
        np.testing.assert_array_equal(a, b)


def test_deferred_restoration_goes_on_as_if_nothing_happened(tmp_path):
    model, optimizer, step = trained()
    path = keras.Checkpoint(model=model, optimizer=optimizer, step=step).save(tmp_path / "ckpt")
    assert path == str(tmp_path / "ckpt-1.ckpt")
    other, own, count = trained(0)
    status = keras.Checkpoint(model=other, optimizer=own, step=count).restore(path)
    assert int(count) == 3
    assert not other.variables or not other.built
    with pytest.raises(AssertionError, match=r"have no Variable(.|\n)*kernel"):
        status.assert_consumed()
    for each in ((model, optimizer, step), (other, own, count)):
        train(*each)
    status.assert_consumed().assert_existing_objects_matched().assert_nontrivial_match()
    same(values(other, own), values(model, optimizer))
    assert not variable.restorations


def test_weights_are_there_at_the_first_call(tmp_path):
    model, *_ = trained()
    path = keras.Checkpoint(model=model).write(tmp_path / "weights")
    other = Net()
    keras.Checkpoint(model=other).read(path).expect_partial()
    np.testing.assert_array_equal(ops.convert_to_numpy(other(X)), ops.convert_to_numpy(model(X)))


def test_in_fit_and_predict(tmp_path):
    def make():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.Dense(2)])
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        return model

    model = make()
    model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    path = keras.Checkpoint(model=model).write(tmp_path / "a")
    predicting, training = make(), make()
    for other in (predicting, training):
        keras.Checkpoint(model=other).restore(path)
    np.testing.assert_allclose(
        predicting.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6
    )
    for each in (model, training):
        each.fit(X, Y, epochs=1, verbose=0, shuffle=False)
    same(values(training, training.optimizer), values(model, model.optimizer))


def test_everything_with_state_is_followed(tmp_path):
    class Mine:
        def __init__(self, start):
            self.best = keras.Variable(start)
            self.note = "text"

    def make(start):
        start = float(start)
        shared = keras.Variable(start + 1)
        inner = keras.Checkpoint(v=keras.Variable(start + 2))
        metric = keras.metrics.Mean()
        seeds = keras.random.SeedGenerator(int(start))
        return keras.Checkpoint(
            one=shared, again=[shared, (keras.Variable(start + 3),)], inner=inner,
            by_name={"x": keras.Variable(start + 4)}, metric=metric, seeds=seeds,
            mine=Mine(start + 5), scale=keras.optimizers.LossScaleOptimizer(
                keras.optimizers.SGD(start + 6)),
        )  # fmt: skip

    source, target = make(10), make(90)
    source.metric.update_state([1.0, 2.0])
    path = source.save(tmp_path / "deep" / "er" / "c")
    target.restore(path).assert_consumed()
    for checkpoint in (source, target):
        got = [checkpoint.one, checkpoint.again[0], checkpoint.again[1][0], checkpoint.inner.v,
               checkpoint.by_name["x"], checkpoint.mine.best]  # fmt: skip
        assert [float(v) for v in got] == [11, 11, 13, 12, 14, 15]
    assert float(target.metric.result()) == 1.5
    same([target.seeds.state.numpy()], [source.seeds.state.numpy()])
    assert float(ops.convert_to_numpy(target.scale.learning_rate)) == 16.0
    assert int(target.save_counter) == 1


def test_dtypes(tmp_path):
    def make(value):
        kinds = ("bfloat16", "float16", "float64", "int64", "bool")
        return keras.Checkpoint(all=[keras.Variable(np.full(3, value), dtype=k) for k in kinds])

    source, target = make(1), make(0)
    target.restore(source.write(tmp_path / "a")).assert_consumed()
    for a, b in zip(source.all, target.all):
        assert b.numpy().dtype == a.numpy().dtype
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_another_shape_is_an_error_and_changes_nothing(tmp_path):
    path = keras.Checkpoint(a=keras.Variable(1.0), b=keras.Variable(np.ones(3))).write(
        tmp_path / "c"
    )
    a, b = keras.Variable(5.0), keras.Variable(np.zeros(4))
    with pytest.raises(ValueError, match=r"(?s)c does not fit.* b: .*\(4,\), the file \(3,\)"):
        keras.Checkpoint(a=a, b=b).restore(path)
    assert float(a) == 5.0


def test_what_does_not_match_is_told(tmp_path):
    path = keras.Checkpoint(a=keras.Variable(1.0), old=keras.Variable(1.0)).write(tmp_path / "c")
    status = keras.Checkpoint(a=keras.Variable(2.0), new=keras.Variable(3.0)).restore(path)
    with pytest.raises(AssertionError, match="old"):
        status.assert_consumed()
    checkpoint = keras.Checkpoint(a=keras.Variable(2.0), new=keras.Variable(3.0))
    status = checkpoint.restore(path)
    with pytest.raises(AssertionError, match="new"):
        status.assert_existing_objects_matched()
    other = keras.Checkpoint(z=keras.Variable(0.0))
    with pytest.raises(AssertionError, match="nothing"):
        other.restore(path).assert_nontrivial_match()
    assert status.initialize_or_restore() is status


def test_variables_that_come_later(tmp_path):
    path = keras.Checkpoint(a=keras.Variable(7.0)).write(tmp_path / "c")
    checkpoint = keras.Checkpoint()
    status = checkpoint.restore(path)
    checkpoint.a = keras.Variable(0.0)
    assert float(checkpoint.a) == 7.0
    status.assert_consumed()


def test_a_restoration_does_not_keep_objects_alive(tmp_path):
    path = keras.Checkpoint(model=trained(1)[0]).write(tmp_path / "c")
    keras.Checkpoint(model=Net()).restore(path)
    gc.collect()
    float(keras.Variable(1.0))
    assert not variable.restorations


@pytest.mark.engine_free
class TestErrors:
    def test_what_has_no_state(self):
        with pytest.raises(TypeError, match=r"step=3 has no state.*Variable\(0\)"):
            keras.Checkpoint(step=3)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nothing"):
            keras.Checkpoint().restore(tmp_path / "nothing")
        status = keras.Checkpoint().restore(None)
        with pytest.raises(AssertionError, match="None"):
            status.assert_consumed()

    def test_hostile_files(self, tmp_path):
        good = keras.Checkpoint(a=keras.Variable(1.0)).write(tmp_path / "good")
        path = tmp_path / "bad"

        def refused(change, *words):
            path.write_bytes(Path(good).read_bytes())
            with h5py.File(path, "a") as file:
                change(file)
            a = keras.Variable(5.0)
            with pytest.raises(ValueError) as caught:
                keras.Checkpoint(a=a).restore(path)
            assert all(word in str(caught.value) for word in ("bad", *words)), caught.value
            assert float(a) == 5.0

        def graph(text):
            def change(file):
                del file["graph"]
                file["graph"] = np.frombuffer(text.encode(), np.uint8)

            return change

        def whole(**parts):
            return graph(
                json.dumps(
                    {"format": "tricorn checkpoint", "version": 1, "nodes": [{}], "slots": []}
                    | parts
                )
            )

        refused(lambda file: file.__delitem__("graph"), "no checkpoint", "'graph'")
        refused(graph("{"), "'graph' is damaged")
        refused(graph("[" * 100000), "'graph' is damaged")
        refused(graph("[]"), "'graph' is damaged", "format")
        refused(whole(version=2), "version 2")
        refused(whole(nodes=[{"a": 7}]), "node 0")
        refused(whole(nodes=[{"a": True}]), "node 0")
        refused(whole(slots=[[0, 0, "m", 9]]), "[0, 0, 'm', 9]")
        refused(whole(), "belongs to no node")

        def link(file):
            file["vars/9"] = h5py.ExternalLink("/etc/passwd", "/x")

        refused(link, "vars/9", "ExternalLink")

        def bomb(file):
            file.create_dataset("vars/9", shape=(10**10,), dtype="f4", chunks=(10**6,))

        refused(bomb, "vars/9", "bytes")

        def text(file):
            file["vars/9"] = "text"

        refused(text, "vars/9", "numbers")
        refused(lambda file: file.create_dataset("vars/x", data=1.0), "vars/x")
        path.write_bytes(b"no hdf5")
        with pytest.raises(ValueError, match="bad"):
            keras.Checkpoint().restore(path)

    def test_an_interrupted_save_leaves_the_last_good_one(self, tmp_path, monkeypatch):
        checkpoint = keras.Checkpoint(a=keras.Variable(1.0))
        manager = keras.CheckpointManager(checkpoint, tmp_path, 2)
        first = manager.save()
        checkpoint.a.assign(2.0)

        def interrupted(*args):
            raise KeyboardInterrupt

        for name in ("replace", "fsync"):
            with monkeypatch.context() as patch:
                patch.setattr(atomic.os, name, interrupted)
                with pytest.raises(KeyboardInterrupt):
                    manager.save()
            assert manager.latest_checkpoint == first == keras.latest_checkpoint(tmp_path)
            assert sorted(os.listdir(tmp_path)) == ["checkpoint", "ckpt-1.ckpt"]
            assert int(checkpoint.save_counter) == 1
        checkpoint.restore(first)
        assert float(checkpoint.a) == 1.0


@pytest.mark.engine_free
class TestManager:
    def make(self, folder, keep=3, **settings):
        return keras.CheckpointManager(
            keras.Checkpoint(a=keras.Variable(0.0)), folder, keep, **settings
        )

    def names(self, manager):
        return [os.path.basename(path) for path in manager.checkpoints]

    def test_the_last_ones_are_kept(self, tmp_path):
        manager = self.make(tmp_path / "new", 2)
        assert manager.latest_checkpoint is None and manager.checkpoints == []
        for i in range(4):
            manager.checkpoint.a.assign(float(i))
            assert manager.save() == str(tmp_path / "new" / f"ckpt-{i + 1}.ckpt")
        assert self.names(manager) == ["ckpt-3.ckpt", "ckpt-4.ckpt"]
        assert sorted(os.listdir(tmp_path / "new")) == ["checkpoint", "ckpt-3.ckpt", "ckpt-4.ckpt"]
        assert keras.latest_checkpoint(tmp_path / "new") == manager.latest_checkpoint

    def test_another_process_goes_on(self, tmp_path):
        first = self.make(tmp_path)
        first.checkpoint.a.assign(5.0)
        first.save()
        second = self.make(tmp_path, init_fn=lambda: pytest.fail("there is one"))
        assert second.restore_or_initialize() == first.latest_checkpoint
        assert float(second.checkpoint.a) == 5.0
        second.save()
        assert self.names(second) == ["ckpt-1.ckpt", "ckpt-2.ckpt"]
        third = self.make(tmp_path)  # not restored: nothing is overwritten
        third.save()
        assert self.names(third) == ["ckpt-1.ckpt", "ckpt-2.ckpt", "ckpt-3.ckpt"]

    def test_nothing_to_restore(self, tmp_path):
        called = []
        manager = self.make(tmp_path, init_fn=lambda: called.append(1))
        assert manager.restore_or_initialize() is None
        assert called == [1]

    def test_steps_between(self, tmp_path):
        step = keras.Variable(0, dtype="int32")
        manager = self.make(tmp_path, step_counter=step, checkpoint_interval=10)
        saved = []
        for i in range(25):
            step.assign(i)
            saved += [i] if manager.save() else []
        assert saved == [0, 10, 20]
        assert manager.save(check_interval=False) is not None

    def test_numbers_and_names_of_ones_own(self, tmp_path):
        manager = self.make(tmp_path, checkpoint_name="model")
        assert manager.save(checkpoint_number=40).endswith("model-40.ckpt")
        assert manager.save().endswith("model-41.ckpt")
        assert self.make(tmp_path).checkpoints == []

    def test_one_every_so_many_hours_stays(self, tmp_path, monkeypatch):
        now = [1e9]
        monkeypatch.setattr("tricorn.saving.checkpoint.time.time", lambda: now[0])
        manager = self.make(tmp_path, 1, keep_checkpoint_every_n_hours=2)
        for _ in range(6):
            manager.save()
            now[0] += 3600
        assert self.names(manager) == ["ckpt-6.ckpt"]
        files = sorted(name for name in os.listdir(tmp_path) if name != "checkpoint")
        assert files == ["ckpt-3.ckpt", "ckpt-5.ckpt", "ckpt-6.ckpt"]

    def test_a_file_that_was_removed_by_hand(self, tmp_path):
        manager = self.make(tmp_path)
        first, second = manager.save(), manager.save()
        os.unlink(second)
        assert manager.latest_checkpoint == first == keras.latest_checkpoint(tmp_path)

    def test_settings_are_checked(self, tmp_path):
        with pytest.raises(ValueError, match="max_to_keep"):
            self.make(tmp_path, 0)
        with pytest.raises(ValueError, match="step_counter"):
            self.make(tmp_path, checkpoint_interval=5)
        with pytest.raises(ValueError, match="not a path"):
            self.make(tmp_path, checkpoint_name="../x")

    @pytest.mark.parametrize(
        "text",
        ["{", "[]", '{"saved": [["../../x", 1.0]]}', '{"saved": [["a"]]}', '{"saved": 3}',
         '{"saved": [], "preserved": "x"}', "[" * 100000],
    )  # fmt: skip
    def test_a_damaged_list_is_an_error(self, tmp_path, text):
        (tmp_path / "checkpoint").write_text(text)
        with pytest.raises(ValueError, match="checkpoint"):
            keras.latest_checkpoint(tmp_path)

    def test_the_list_is_plain(self, tmp_path):
        manager = self.make(tmp_path)
        manager.save()
        assert list(_State.of(tmp_path).saved) == ["ckpt-1.ckpt"]
        assert json.loads((tmp_path / "checkpoint").read_text())["saved"][0][0] == "ckpt-1.ckpt"
