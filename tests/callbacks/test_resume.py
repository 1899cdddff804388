"""A training that was interrupted, and goes on as if it had not been."""

import datetime
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import tricorn
from tricorn import atomic, callbacks, layers, optimizers, utils
from tricorn.callbacks import run_state

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parent.parent.parent
ROWS = np.random.default_rng(0).normal(size=(22, 3)).astype("float32")
TARGETS = (ROWS.sum(1) > 0).astype("int32")
BATCHES = [(ROWS[i : i + 4], TARGETS[i : i + 4]) for i in range(0, 22, 4)]


class Interruption(Exception):
    pass


class Interrupt(callbacks.Callback):
    """Ends a training after a batch, or with an epoch's end (batch -1)."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.now = [epoch, batch], 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if [self.now, batch] == self.at:
            raise Interruption

    def on_epoch_end(self, epoch, logs=None):
        if [epoch, -1] == self.at:
            raise Interruption


class Counts(callbacks.Callback):
    """A callback with state of its own, which nobody told how to save."""

    def __init__(self):
        super().__init__()
        self.alpha, self.seen, self.largest = 1.0, [], {}

    def on_epoch_end(self, epoch, logs=None):
        self.alpha *= 0.9
        self.seen.append((epoch, np.float32(logs["loss"])))
        self.largest["loss"] = max(logs["loss"], self.largest.get("loss", 0.0))


def small():
    """A model that compiles in no time."""
    tricorn.utils.set_random_seed(3)
    model = tricorn.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def make(**settings):
    tricorn.utils.set_random_seed(3)
    model = tricorn.Sequential(
        [
            layers.Input((3,)),
            layers.Dropout(0.3),
            layers.Dense(4, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    optimizer = optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **settings)
    return model


def fit(model, data, extra=(), resume=None, epochs=4, **settings):
    counts = Counts()
    watching = [
        callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.05),
        callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
        counts,
    ]
    settings = {**data(), **settings}
    history = model.fit(
        **settings, epochs=epochs, verbose=0, callbacks=[*watching, *extra], resume=resume
    )
    after = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    return after, history.history, history.epoch, vars(counts)["alpha"], counts.seen, counts.largest


def backup(folder, save_freq=1, **settings):
    settings = {"delete_checkpoint": False, **settings}
    return callbacks.BackupAndRestore(folder, save_freq, **settings)


def assert_same(found, expected):
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert found[1:] == expected[1:]


class Shuffled(utils.PyDataset):
    """Batches by their number, in another order in each epoch."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.order, self.random = np.arange(6), random.Random(1)

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return BATCHES[self.order[index]]

    def on_epoch_end(self):
        self.random.shuffle(self.order)


class Numbered:
    """Batches by their number, in order, which nobody knows of."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return BATCHES[index]


class Telling:
    """An endless iterator that can tell its position, and is never read twice."""

    made = 0

    def __init__(self):
        self.number, self.given = 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.number += 1
        self.given += 1
        return BATCHES[self.number * 5 % 6]

    def get_state(self):
        return {"number": self.number}

    def set_state(self, state):
        self.number = state["number"]


class Anew:
    """Begins anew in each epoch, and draws then: it has no numbers and tells no position."""

    def __init__(self):
        self.random = random.Random(2)

    def __iter__(self):
        yield from self.random.sample(BATCHES, 6)


def endless():
    draw = np.random.default_rng(5)
    while True:
        rows = draw.integers(22, size=4)
        yield ROWS[rows], TARGETS[rows]


def in_a_file(tmp_path):
    if not (tmp_path / "rows.h5").exists():
        with h5py.File(tmp_path / "rows.h5", "w") as file:
            file["x"] = ROWS
    return utils.HDF5Matrix(tmp_path / "rows.h5", "x")


def dataset():
    return tricorn.data.Dataset.from_tensor_slices((ROWS, TARGETS)).shuffle(9, seed=4)


def kept(folder):
    rows = dataset().snapshot(folder, shard_func=lambda x, y: y)
    if not folder.exists():
        list(rows)
    return rows


def doubled(x, y):
    return 2 * x, y


SOURCES = {
    "arrays": lambda _: {"x": ROWS, "y": TARGETS, "batch_size": 4, "validation_split": 0.2},
    "arrays, parts of them": lambda _: {"x": ROWS, "y": TARGETS, "batch_size": 4,
                                        "steps_per_epoch": 3},
    "a file": lambda folder: {"x": in_a_file(folder), "y": TARGETS, "batch_size": 4},
    "a file, parts of it": lambda folder: {"x": in_a_file(folder), "y": TARGETS, "batch_size": 4,
                                           "steps_per_epoch": 3, "shuffle": "batch"},
    "numbered batches": lambda _: {"x": Numbered()},
    "a PyDataset": lambda _: {"x": Shuffled()},
    "a PyDataset with workers": lambda _: {"x": Shuffled(workers=2), "steps_per_epoch": 3},
    "a generator": lambda _: {"x": endless(), "steps_per_epoch": 5},
    "a telling iterator": lambda _: {"x": Telling(), "steps_per_epoch": 5},
    "a Dataset": lambda _: {"x": dataset().batch(4)},
    "a Dataset without end": lambda _: {
        "x": dataset().map(doubled, num_parallel_calls=2).repeat().batch(4).prefetch(3),
        "steps_per_epoch": 4},
    "windows": lambda _: {
        "x": tricorn.data.Dataset.range(22).window(3, 1, drop_remainder=True).shuffle(5, seed=1)
        .flat_map(lambda window: window.batch(3)).unique().batch(4)
        .map(lambda rows: (ROWS[rows].mean(1), TARGETS[rows[:, 0]]))},
    "numbers": lambda _: {"x": tricorn.data.Dataset.range(22).unique().shuffle(5, seed=1).batch(4)
                          .map(lambda rows: (ROWS[rows], TARGETS[rows]))},
    "a snapshot": lambda folder: {"x": kept(folder / "rows").batch(4)},
    "what begins anew": lambda _: {"x": Anew()},
    "validation by a generator": lambda _: {"x": Numbered(), "validation_data": endless(),
                                            "validation_steps": 2},
}  # fmt: skip


@pytest.mark.engine("jax")
@pytest.mark.parametrize("source", SOURCES)
def test_data_go_on_where_they_were(source, tmp_path):
    def data():
        return SOURCES[source](tmp_path)

    expected = fit(small(), data)
    for number, (at, save_freq) in enumerate([((1, 2), 1), ((2, -1), "epoch"), ((2, 1), 2)]):
        folder = tmp_path / str(number)
        with pytest.raises(Interruption):
            fit(small(), data, [Interrupt(*at)], backup(folder, save_freq))
        assert_same(fit(small(), data, resume=backup(folder, save_freq)), expected)


def arrays():
    return SOURCES["arrays"](None)


def test_it_may_be_interrupted_again_and_again(tmp_path):
    expected = fit(make(), arrays)
    for at in [(0, 0), (0, 3), (1, 4), (1, -1), (2, 1), (3, 4), (3, -1)]:
        with pytest.raises(Interruption):
            fit(make(), arrays, [Interrupt(*at)], backup(tmp_path, 1))
    for _ in range(2):  # the second time it is over, and nothing is trained
        assert_same(fit(make(), arrays, resume=backup(tmp_path, 1)), expected)


def test_code_of_a_users_own_and_python_steps(tmp_path):
    class Model(tricorn.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, activation="softmax")
            self.noise = layers.GaussianNoise(0.1)
            self.steps = self.add_weight((), "zeros", "int32", trainable=False, name="steps")

        def call(self, x, training=False):
            return self.dense(self.noise(x, training=training))

        def train_step(self, data):
            self.steps.assign_add(1)
            return super().train_step(data)

    def make():
        tricorn.utils.set_random_seed(3)
        model = Model()
        model.compile(
            "nadam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
        )
        return model

    def batches():
        return {"x": ROWS, "y": TARGETS, "batch_size": 8}

    expected = fit(make(), batches, epochs=2)
    with pytest.raises(Interruption):
        fit(make(), batches, [Interrupt(1, 1)], backup(tmp_path, 2), epochs=2)
    assert_same(fit(make(), batches, resume=backup(tmp_path, 2), epochs=2), expected)

    class PressInValidation(callbacks.Callback):
        def on_test_begin(self, logs=None):
            signal.raise_signal(signal.SIGINT)

    def numbered():  # of which no batch is left in the epoch then
        return {"x": Shuffled(), "validation_data": Numbered()}

    expected, folder = fit(make(), numbered, epochs=2), tmp_path / "numbered"
    with pytest.raises(KeyboardInterrupt):
        fit(make(), numbered, [PressInValidation()], backup(folder, "epoch"), epochs=2)
    assert_same(fit(make(), numbered, resume=backup(folder, "epoch"), epochs=2), expected)


def test_states_that_recurrent_layers_keep_go_on(tmp_path):
    def make():
        tricorn.utils.set_random_seed(3)
        stack = [layers.Input(batch_shape=(11, 3)), layers.Reshape((3, 1))]
        both = layers.Bidirectional(layers.LSTM(2, stateful=True, return_sequences=True))
        stack += [both, layers.GRU(2, stateful=True), layers.Dense(2, activation="softmax")]
        model = tricorn.Sequential(stack)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    def batches():
        return {"x": ROWS, "y": TARGETS, "batch_size": 11}

    expected = fit(make(), batches, epochs=3)
    with pytest.raises(Interruption):
        fit(make(), batches, [Interrupt(1, 0)], backup(tmp_path), epochs=3)
    assert_same(fit(make(), batches, resume=backup(tmp_path), epochs=3), expected)


def test_files_of_other_callbacks_and_averages_go_on(tmp_path):
    def extra(folder, *more):
        folder.mkdir(exist_ok=True)
        swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
        return [callbacks.CSVLogger(folder / "log.csv"), swap, *more]

    expected = fit(make(), arrays, extra(tmp_path / "whole"))
    part = tmp_path / "part"
    for at in [(1, 2), (2, 0)]:  # the row of epoch 1 is written, and the state is of epoch 0
        with pytest.raises(Interruption):
            fit(make(), arrays, extra(part, Interrupt(*at)), backup(tmp_path / "b", "epoch"))
    saved = sorted((tmp_path / "b").glob("*.state"))
    fit(make(), arrays, extra(part), backup(tmp_path / "b", "epoch", keep=9), epochs=3)
    assert len(sorted((tmp_path / "b").glob("*.state"))) > len(saved)
    for path in sorted((tmp_path / "b").glob("*.state"))[1:]:
        path.unlink()
    assert_same(fit(make(), arrays, extra(part), backup(tmp_path / "b", "epoch")), expected)
    assert (part / "log.csv").read_text() == (tmp_path / "whole" / "log.csv").read_text()


@pytest.mark.engine("jax")
@pytest.mark.parametrize("append", [False, True])
def test_a_table_has_each_row_once_however_often_it_is_interrupted(append, tmp_path):
    def run(name, *extra, **settings):
        path = tmp_path / f"{name}.csv"
        if append and not path.exists():
            path.write_text("before\n")
        model = small()
        fit(model, arrays, [callbacks.CSVLogger(path, append=append), *extra], **settings)
        return path.read_text(), model.get_metrics_result()

    expected = run("whole")
    for at in [(1, 1), (1, 2), (2, 0), (2, -1), (3, 1)]:
        with pytest.raises(Interruption):
            run("part", Interrupt(*at), resume=backup(tmp_path / "b"))
    for _ in range(2):  # the second time it is over
        assert run("part", resume=backup(tmp_path / "b")) == expected


def test_a_program_that_is_run_again_may_train_for_longer(tmp_path):
    expected = fit(make(), arrays, epochs=4)
    for epochs in (2, 4):
        found = fit(make(), arrays, resume=callbacks.BackupAndRestore(
            tmp_path, delete_checkpoint=False), epochs=epochs)  # fmt: skip
    assert_same(found, expected)


@pytest.mark.engine("jax")
def test_settings_that_a_program_changes_count(tmp_path):
    with pytest.raises(Interruption):
        plateau = callbacks.ReduceLROnPlateau("loss", patience=1)
        fit(make(), arrays, [plateau, Interrupt(1, -1)], backup(tmp_path, "epoch"))
    again = callbacks.ReduceLROnPlateau("loss", patience=7)
    fit(make(), arrays, [again], backup(tmp_path, "epoch"))
    assert again.patience == 7 and again.best == pytest.approx(plateau.best, rel=0.5)


@pytest.mark.engine("jax")
def test_when_it_saves(tmp_path):
    saved = []

    class Watch(callbacks.Callback):
        passive = True

        def on_epoch_end(self, epoch, logs=None):
            resume._writer.wait()
            saved.append(sorted(path.stem for path in tmp_path.glob("step-*")))

    def names(*steps):
        return [f"step-{epoch:08}-{step:010}" for epoch, step in steps]

    resume = backup(tmp_path, 4, keep=9)
    model = make()
    model.fit(ROWS, TARGETS, 4, epochs=2, verbose=0, callbacks=[Watch()], resume=resume)
    assert saved == [names((0, 4)), names((0, 4), (1, 2), (1, 6))]
    assert sorted(p.stem for p in tmp_path.glob("step-*"))[-1] == names((2, 0))[0]
    # (`Watch` waits for each file: of those that come while the disk is busy, the last is written)
    for resume in (backup(tmp_path / "a", "epoch"), backup(tmp_path / "b", "epoch", keep=3)):
        make().fit(ROWS, TARGETS, 4, epochs=5, verbose=0, callbacks=[Watch()], resume=resume)
        assert len(list(resume._folder.glob("step-*"))) == resume.keep


def test_many_steps_still_go_out_at_once(tmp_path):
    """A number of batches cuts the dispatches, and does not make them single."""
    ends = []

    class Watch(callbacks.Callback):
        passive = True

        def on_train_batch_end(self, batch, logs=None):
            ends.append(batch)

    model = make(steps_per_execution=8)
    x, y = np.repeat(ROWS, 4, 0), np.repeat(TARGETS, 4, 0)
    resume = backup(tmp_path, 5)
    model.fit(x, y, 4, epochs=1, verbose=0, callbacks=[Watch()], resume=resume)
    assert ends == [4, 9, 14, 19, 21]


@pytest.mark.engine("jax")
def test_the_best_is_kept(tmp_path):
    losses = []

    class Worse(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = [0.1, 0.9, 0.3, 0.2][epoch]
            losses.append(self.model.get_weights()[0])

    resume = backup(tmp_path, "epoch", monitor="score", mode="max")
    make().fit(ROWS, TARGETS, 4, epochs=4, verbose=0, callbacks=[Worse()], resume=resume)
    model = make()
    model.fit(ROWS, TARGETS, 4, epochs=1, verbose=0)
    resume.load_best(model)
    np.testing.assert_array_equal(model.get_weights()[0], losses[1])


def test_the_best_is_kept_while_the_disk_is_slow(monkeypatch, tmp_path):
    """States that wait for the disk make way for later ones, but for the best."""
    held, written, gate = [], [], threading.Event()

    def slow(path, state, arrays):
        gate.wait(10)
        path.write_text(state)

    monkeypatch.setattr(run_state, "write", slow)
    writer = callbacks.backup._Writer(
        lambda: held.append(len(written)), lambda path, best: written.append((path.name, best))
    )
    for name, best in (("a", False), ("b", True), ("c", True), ("d", False), ("e", False)):
        writer.put(tmp_path / name, name, [], best)
        if name == "a":
            while writer._waiting:  # until it is begun
                time.sleep(0.001)
    gate.set()
    writer.wait()
    assert written == [("a", False), ("c", True), ("e", False)]
    assert held == [0, 1, 2]  # once before each file


# ------------------------------------------------------------------------------ what goes wrong


@pytest.mark.engine("jax")
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "not one"])
def test_a_damaged_state_is_told_and_the_one_before_is_taken(damage, tmp_path):
    expected = fit(small(), arrays)
    with pytest.raises(Interruption):
        fit(small(), arrays, [Interrupt(2, 2)], backup(tmp_path, 1, keep=2))
    last = max(tmp_path.glob("step-*"))
    content = bytearray(last.read_bytes())
    content[len(content) // 3] ^= 1
    last.write_bytes(
        {"cut": content[: len(content) // 2], "flipped": content, "empty": b"", "not one": b"x"}[
            damage
        ]
    )
    with pytest.warns(UserWarning, match=f"{last.name}.*damaged|damaged"):
        assert_same(fit(small(), arrays, resume=backup(tmp_path, 1)), expected)


@pytest.mark.engine("jax")
def test_what_a_killed_process_began_to_write_is_removed(tmp_path):
    (tmp_path / ".step-00000001-0000000001.state.abc").write_bytes(b"half")
    fit(small(), arrays, resume=backup(tmp_path, 1))
    assert not list(tmp_path.glob(".step*"))


@pytest.mark.engine("jax")
@pytest.mark.parametrize("call", ["mkstemp", "fsync", "replace", "fdopen"])
def test_a_disk_that_fails_does_not_end_the_training(call, tmp_path, monkeypatch):
    expected = fit(small(), arrays)
    with pytest.raises(Interruption):
        fit(small(), arrays, [Interrupt(1, 2)], backup(tmp_path, 1))
    before = sorted(path.name for path in tmp_path.iterdir())

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.tempfile if call == "mkstemp" else atomic.os, call, full)
        with pytest.warns(UserWarning, match="could not be saved: .*No space left"):
            assert_same(fit(small(), arrays, resume=backup(tmp_path, 1)), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert_same(fit(small(), arrays, resume=backup(tmp_path, 1)), expected)


def test_a_folder_that_vanishes_or_cannot_be_made(tmp_path):
    """What is saved later is in a new one, which is this training's again."""
    folder, refused = tmp_path / "a", []

    class Vanish(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                shutil.rmtree(folder.rename(tmp_path / "gone"))  # at once, also for who writes

        def on_epoch_end(self, epoch, logs=None):
            while epoch == 1 and not list(folder.glob("step-00000001*")):
                time.sleep(0.01)
            if epoch == 1:
                with pytest.raises(RuntimeError, match="another training"):
                    small().fit(ROWS, TARGETS, verbose=0, resume=backup(folder))
                refused.append(epoch)

    with pytest.warns(UserWarning, match="has vanished"):
        whole = fit(small(), arrays, [Vanish()], backup(folder))
    assert refused == [1]
    assert_same(fit(small(), arrays, [Vanish()], backup(folder)), whole)
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot be written to"):
        small().fit(ROWS, TARGETS, verbose=0, resume=backup(tmp_path / "file" / "b"))


@pytest.mark.engine("jax")
def test_two_trainings_do_not_share_a_folder(tmp_path):
    class Second(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            with pytest.raises(RuntimeError, match="another training, of process .* a folder of"):
                small().fit(ROWS, TARGETS, verbose=0, resume=tmp_path)

    small().fit(ROWS, TARGETS, verbose=0, callbacks=[Second()], resume=tmp_path)
    small().fit(ROWS, TARGETS, epochs=2, verbose=0, resume=tmp_path)  # it is free again
    with pytest.raises(Interruption):
        fit(small(), arrays, [Interrupt(0, 0)], backup(tmp_path / "b"))
    fit(small(), arrays, resume=backup(tmp_path / "b"))


def other_activation():
    model = small()
    model.layers[0].activation = tricorn.activations.tanh
    return model


def wider():
    model = tricorn.Sequential([layers.Input((3,)), layers.Dense(3)])
    model.compile("adam", tricorn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def other_optimizer():
    model = small()
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.engine("jax")
@pytest.mark.parametrize(
    ("make_other", "settings", "what"),
    [
        (small, {"batch_size": 8}, "batch size: there 4, here 8"),
        (small, {"x": ROWS[:20], "y": TARGETS[:20]}, "samples: there 17, here 16"),
        (small, {"shuffle": False}, "shuffle: there True, here False"),
        (small, {"validation_split": 0.0}, "samples: there 17, here 22"),
        (
            other_activation,
            {},
            "layers of the model: number 2: there a Dense set otherwise, here a De",
        ),
        (wider, {}, "layers of the model: number 0: there a Sequential|number 2: there a D"),
        (other_optimizer, {}, "optimizer: there 'Adam', here 'SGD'"),
    ],
)
def test_another_training_is_told(make_other, settings, what, tmp_path):
    with pytest.raises(Interruption):
        fit(small(), arrays, [Interrupt(1, -1)], backup(tmp_path))
    model = make_other()
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"of another training: {what}"):
        model.fit(**{**arrays(), **settings}, epochs=4, verbose=0, resume=tmp_path)
    for a, b in zip(model.get_weights(), before):
        np.testing.assert_array_equal(a, b)


@pytest.mark.engine("jax")
def test_arguments(tmp_path):
    with pytest.raises(TypeError, match="resume must be a folder or a BackupAndRestore, got 3"):
        small().fit(ROWS, TARGETS, verbose=0, resume=3)
    for settings in ({"save_freq": 0}, {"save_freq": "batch"}, {"keep": 0}):
        with pytest.raises(ValueError, match="save_freq|keep"):
            callbacks.BackupAndRestore(tmp_path, **settings)

    class Holds(callbacks.Callback):
        def get_state(self):
            return {"model": object()}

    with pytest.raises(TypeError, match="state of the callback Holds 1: object is no plain"):
        small().fit(ROWS, TARGETS, verbose=0, callbacks=[Holds()], resume=backup(tmp_path))


@pytest.mark.engine("jax")
def test_a_state_runs_no_code(tmp_path):
    """It is JSON and numbers; what is compressed, or an object, is refused."""
    with pytest.raises(Interruption):
        fit(small(), arrays, [Interrupt(1, -1)], backup(tmp_path))
    (path,) = tmp_path.glob("step-*")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert set(members) == {*map(str, range(len(members) - 1)), "state.json"}
    json.loads(members["state.json"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.warns(UserWarning, match="compressed"):
        fit(small(), arrays, resume=backup(tmp_path))


# ------------------------------------------------------------------------------ real processes

PROGRAM = """
import hashlib, json, sys, time
import numpy as np
import tricorn as keras

class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            print("begun", flush=True)
        time.sleep(pause)

class Rows(keras.utils.PyDataset):
    order = list(range(6))

    def __len__(self):
        return 6

    def __getitem__(self, index):
        number = self.order[index]
        x = np.random.default_rng(number).normal(size=(8, 4)) * (1e4 if number == 3 else 1)
        return x, (x.sum(1) > 0)[:, None]

    def on_epoch_end(self):
        self.order = self.order[2:] + self.order[:2][::-1]

def main():
    keras.utils.set_random_seed(1)
    x = np.random.normal(size=(64, 4)).astype("float32")
    y = (x.sum(1) > 0).astype("float32")[:, None]
    optimizer = "adam"
    if kind == "half":  # the scale of losses changes in the first steps
        keras.mixed_precision.set_global_policy("mixed_float16")
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(use_ema=True), initial_scale=2.0**22, dynamic_growth_steps=5)
    model = keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5),
        keras.layers.Dense(1, "sigmoid", dtype="float32")])
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    backup = keras.callbacks.BackupAndRestore(
        folder, int(save_freq) if save_freq.isdigit() else save_freq, delete_checkpoint=False,
        keep=2)
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", patience=1)
    data = {"x": x, "y": y, "batch_size": 8, "validation_split": 0.25}
    if kind == "half":
        data = {"x": Rows(workers=2, use_multiprocessing=True), "validation_data": (x, y)}
    history = model.fit(**data, epochs=5, verbose=0, callbacks=[Slow(), plateau], resume=backup)
    after = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    digest = hashlib.sha256(b"".join(a.tobytes() for a in after)).hexdigest()
    print("over", digest, json.dumps(history.history), plateau.wait, np.random.random())

if __name__ == "__main__":
    folder, kind, save_freq, pause = *sys.argv[1:4], float(sys.argv[4])
    main()
"""


def start(folder, engine, *settings, kind="single"):
    environment = {**os.environ, "KERAS_BACKEND": engine, "PYTHONPATH": str(ROOT)}
    program = folder.with_name("program.py")
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(program), str(folder), kind, *map(str, settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def over(process):
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error[-3000:]
    return out[out.index("over") :]


@pytest.mark.parametrize("kind", ["single", "half"])
def test_a_process_that_is_killed_at_any_moment(engine, kind, tmp_path):
    """kill -9 at random moments of training and saving, until it comes to its end: of arrays; of
    process workers, in half precision with a scale of losses that changes."""
    expected = over(start(tmp_path / "whole", engine.name, "epoch", 0, kind=kind))
    draw = random.Random(os.urandom(8))
    kills = 0
    for number in range(6):
        save_freq = draw.choice([1, 2, 3, "epoch"])
        process = start(tmp_path / "part", engine.name, save_freq, 0.02, kind=kind)
        first = process.stdout.readline()
        assert first in ("begun\n", "") or first.startswith("over"), process.stderr.read()
        if first != "begun\n" or number == 5:
            break
        time.sleep(draw.uniform(0, 0.25))
        if process.poll() is None:
            kills += 1
        process.kill()
        process.communicate()
    else:
        pytest.fail("it never came to its end")
    process.kill()
    process.communicate()
    assert kills >= 2
    assert over(start(tmp_path / "part", engine.name, 1, 0, kind=kind)) == expected


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can handle")
def test_a_process_that_is_told_to_end_saves_first(engine, tmp_path):
    expected = over(start(tmp_path / "whole", engine.name, "epoch", 0))
    for number, code in ((signal.SIGTERM, 75), (signal.SIGINT, -signal.SIGINT)):
        process = start(tmp_path / "part", engine.name, 10**6, 0.05)
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.12)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == code
        assert max(tmp_path.glob("part/step-*")).stem[-1] != "0"
    assert over(start(tmp_path / "part", engine.name, 10**6, 0)) == expected


@pytest.mark.engine("jax")
def test_ctrl_c_saves_where_it_stands(tmp_path):
    expected = fit(small(), arrays)

    class Press(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                signal.raise_signal(signal.SIGINT)

    class PressInValidation(callbacks.Callback):
        def on_test_begin(self, logs=None):
            signal.raise_signal(signal.SIGINT)

    for extra in (Press(), PressInValidation()):
        with pytest.raises(KeyboardInterrupt):
            fit(small(), arrays, [extra], backup(tmp_path, "epoch"))
        assert max(tmp_path.glob("step-*")).stem[-1] != "0"
    assert_same(fit(small(), arrays, resume=backup(tmp_path, "epoch")), expected)


@pytest.mark.engine("jax")
def test_training_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    """While a state is written steps go on; of the states that wait the last is written."""
    began, go_on = threading.Event(), threading.Event()
    write = run_state.write
    written = []

    def slow(path, *args):
        began.set()
        go_on.wait(30)
        written.append(path.name)
        write(path, *args)

    monkeypatch.setattr(run_state, "write", slow)

    class Last(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                assert began.is_set() and not written
                go_on.set()

    fit(small(), arrays, [Last()], backup(tmp_path, 1))
    assert len(written) <= 3 and written[-1] == f"step-{4:08}-{0:010}.state"


def test_a_time_between_two_saves(tmp_path):
    resume = backup(tmp_path, datetime.timedelta(hours=1))
    model = make()
    with pytest.raises(Interruption):
        fit(model, arrays, [Interrupt(3, -1)], resume)
    assert not list(tmp_path.glob("step-*"))
    resume = backup(tmp_path, datetime.timedelta(0))
    with pytest.raises(Interruption):
        fit(small(), arrays, [Interrupt(3, 1)], resume)
    assert [path.stem for path in tmp_path.glob("step-*")] == ["step-00000003-0000000001"]
    saved = run_state.read(next(tmp_path.glob("step-*")))["position"]
    assert (saved["epoch"], saved["step"]) == (3, 1)


@pytest.mark.engine("jax")
def test_a_training_of_keras_goes_on(tmp_path):
    """Its folder holds weights and the number of the epoch."""
    keras = pytest.importorskip("keras")

    def model(library):
        made = library.Sequential(
            [library.layers.Input((3,)), library.layers.Dense(2, activation="softmax")]
        )
        made.compile("adam", "sparse_categorical_crossentropy")
        return made

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise Interruption

    theirs = model(keras)
    settings = {"batch_size": 4, "verbose": 0, "shuffle": False}
    with pytest.raises(Interruption):
        theirs.fit(ROWS, TARGETS, epochs=3, **settings, callbacks=[
            keras.callbacks.BackupAndRestore(tmp_path), Stop()])  # fmt: skip
    ours = model(tricorn)
    history = ours.fit(
        ROWS, TARGETS, epochs=4, **settings, callbacks=[callbacks.BackupAndRestore(tmp_path)]
    )
    assert history.epoch == [2, 3]
    theirs.fit(ROWS, TARGETS, epochs=2, **settings)
    for a, b in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not tmp_path.exists() or not list(tmp_path.iterdir())
