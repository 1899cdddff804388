"""`Dataset`s in training, pipelines with layers, and positions in checkpoints: on every engine."""

import numpy as np
import pytest

import tricorn as keras
from tests.pipelines.test_datasets import ended
from tricorn.data import Dataset

X = np.random.default_rng(0).normal(size=(22, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def model():
    keras.utils.set_random_seed(1)
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(0.1), "mse")
    return made


def weights(data, **settings):
    one = model()
    history = one.fit(data, verbose=0, **settings).history["loss"]
    return history, one.get_weights()


def same(found, want):
    np.testing.assert_allclose(found[0], want[0], rtol=1e-5)
    for mine, other in zip(found[1], want[1]):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


PIPELINES = {
    "rows": lambda d: d.batch(4),
    "in threads": lambda d: d.map(lambda x, y: (x, y), num_parallel_calls=2).batch(4).prefetch(2),
    "unknown length": lambda d: d.filter(lambda x, y: True).batch(4),
    "dicts and weights": lambda d: d.batch(4).map(lambda x, y: (x, y, np.ones(len(x)))),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_dataset_trains_as_its_arrays(name):
    data = PIPELINES[name](Dataset.from_tensor_slices((X, Y)))
    want = weights(X, y=Y, batch_size=4, shuffle=False, epochs=3)
    same(weights(data, epochs=3), want)
    one, other = model(), model()
    assert one.evaluate(data, verbose=0) == pytest.approx(
        other.evaluate(X, Y, batch_size=4, verbose=0), rel=1e-5
    )
    np.testing.assert_allclose(
        one.predict(data, verbose=0), other.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )
    assert ended()


def test_data_without_end_needs_steps():
    endless = Dataset.from_tensor_slices((X, Y)).batch(4).repeat()
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model().fit(endless, verbose=0)
    want = weights(X, y=Y, batch_size=4, shuffle=False, epochs=2)
    same(weights(endless, steps_per_epoch=6, epochs=2), want)
    assert np.isfinite(model().evaluate(endless, steps=2, verbose=0))
    assert model().predict(endless, steps=7, verbose=0).shape == (26, 1)
    assert ended()


def test_validation_and_dicts():
    both = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    one = keras.Model(both, keras.layers.Dense(1)(keras.layers.Add()(both)))
    one.compile("sgd", "mse", metrics=["mae"])
    rows = Dataset.from_tensor_slices(({"a": X, "b": X}, Y)).shuffle(22, seed=1).batch(5)
    history = one.fit(rows, validation_data=rows.take(2), epochs=2, verbose=0).history
    assert {"loss", "mae", "val_loss", "val_mae"} <= history.keys()


def test_an_iterator_is_read_on():
    rows = iter(Dataset.from_tensor_slices((X, Y)).batch(2).prefetch(2))
    one = model()
    one.fit(rows, steps_per_epoch=3, verbose=0)
    assert len(list(rows)) == 11 - 3
    assert ended()


def test_layers_in_pipelines():
    scale = keras.layers.Rescaling(0.5)
    for count in (None, 2):
        rows = Dataset.from_tensor_slices(X).batch(4).map(scale, num_parallel_calls=count)
        found = np.concatenate(list(rows))
        assert type(next(iter(rows))) is np.ndarray
        np.testing.assert_allclose(found, X / 2, rtol=1e-6)
    words = keras.layers.TextVectorization(output_sequence_length=3)
    texts = Dataset.from_tensor_slices(["a cat", "a dog", "the cat sat"])
    words.adapt(texts.batch(2))
    found = np.concatenate(list(texts.batch(2).map(words)))
    np.testing.assert_array_equal(found, words(np.array(["a cat", "a dog", "the cat sat"])))


def test_checkpoints_hold_positions(tmp_path):
    make = lambda: Dataset.range(30).shuffle(7, seed=1).batch(4).map(lambda x: x * 2, 2).prefetch(2)
    iterator, step = iter(make()), keras.Variable(3, trainable=False)
    for _ in range(3):
        next(iterator)
    saved = keras.Checkpoint(step=step, train={"iterator": iterator}).save(tmp_path / "x")
    rest = [batch.tolist() for batch in iterator]
    assert len(rest) == 5
    other, step = iter(make()), keras.Variable(0, trainable=False)
    checkpoint = keras.Checkpoint(step=step, train={"iterator": other})
    checkpoint.restore(saved).assert_consumed()
    assert int(step) == 3 and [batch.tolist() for batch in other] == rest
    checkpoint.restore(saved)
    assert len(list(other)) == 5
    with pytest.raises(ValueError, match="train/iterator is not one in this pipeline"):
        keras.Checkpoint(step=step, train={"iterator": iter(Dataset.range(3).shuffle(2))}).restore(
            saved
        )
    with pytest.raises(ValueError, match="damaged"):
        keras.Checkpoint(step=iter(make())).restore(saved)
    assert ended()
