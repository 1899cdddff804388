"""`tricorn.data` in a graph of TensorFlow's, as scripts for version 1 use ``tf.data``."""

import numpy as np
import pytest

import tricorn as keras
from tricorn import data

pytestmark = pytest.mark.engine("tensorflow")

X = np.arange(12, dtype="float32").reshape(6, 2)


def values(tf, session, tensor):
    found = []
    with pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found.append(session.run(tensor))
    return [np.asarray(x).tolist() for x in found]


def test_one_shot(tf):
    dataset = data.Dataset.from_tensor_slices(X).map(lambda x: tf.reduce_sum(x) * 2).batch(4)
    following = dataset.make_one_shot_iterator().get_next()
    assert isinstance(following, tf.Tensor)
    with tf.Session() as session:
        assert values(tf, session, following) == [[2, 10, 18, 26], [34, 42]]


def test_initializable_with_a_placeholder(tf):
    count = tf.placeholder(tf.int64, [])
    iterator = data.make_initializable_iterator(data.Dataset.range(count))
    following = iterator.get_next() + 1
    with tf.Session() as session:
        for n in (2, 3):
            session.run(iterator.initializer, {count: n})
            assert values(tf, session, following) == list(range(1, n + 1))


def test_reinitializable_and_feedable(tf):
    training, validation = data.Dataset.range(3), data.Dataset.range(100, 102)
    iterator = data.Iterator.from_structure(training.output_types, training.output_shapes)
    following = iterator.get_next()
    begin = [iterator.make_initializer(one) for one in (training, validation)]
    handle = tf.placeholder(tf.string, [])
    fed = data.Iterator.from_string_handle(handle, training.output_types, training.output_shapes)
    either = fed.get_next()
    iterators = [data.make_one_shot_iterator(one) for one in (training, validation)]
    with tf.Session() as session:
        session.run(begin[0])
        assert session.run(following) == 0
        session.run(begin[1])
        assert values(tf, session, following) == [100, 101]
        handles = [session.run(one.string_handle()) for one in iterators]
        found = [session.run(either, {handle: handles[i]}) for i in (0, 0, 1, 0)]
        assert found == [0, 1, 100, 2]


def test_a_dataset_that_was_made_outside(tf):
    """Its functions are Python, what `get_next` gives is TensorFlow's tensor."""
    with keras.engine("jax"):
        dataset = data.Dataset.from_tensor_slices((X, list("abcdef"))).map(
            lambda x, name: (np.flip(x), name.upper())
        )
    assert isinstance(dataset.batch(4), data.Dataset)
    pixels, names = data.make_one_shot_iterator(dataset.batch(4)).get_next()
    assert isinstance(pixels, tf.Tensor) and pixels.shape.as_list() == [None, 2]
    with tf.Session() as session:
        assert session.run(names).tolist() == [b"A", b"B", b"C", b"D"]
        assert session.run(pixels).tolist() == X[4:, ::-1].tolist()


def test_records(tf, tmp_path):
    with data.TFRecordWriter(tmp_path / "x") as writer:
        for i in range(3):
            writer.write(data.serialize_example({"i": i}))
    names = tf.placeholder(tf.string, [None])
    features = {"i": data.FixedLenFeature([], "int64")}
    dataset = data.TFRecordDataset(names).map(
        lambda record: data.parse_single_example(record, features)["i"]
    )
    iterator = data.make_initializable_iterator(dataset)
    following = iterator.get_next()
    with tf.Session() as session:
        session.run(iterator.initializer, {names: [str(tmp_path / "x")] * 2})
        assert values(tf, session, following) == [0, 1, 2, 0, 1, 2]


def test_a_model_on_an_iterators_tensors(tf):
    rows = data.Dataset.from_tensor_slices((X, X[:, :1])).repeat().batch(3)
    x, y = rows.make_one_shot_iterator().get_next()
    layer = keras.layers.Dense(1)
    loss = tf.reduce_mean(tf.square(layer(x) - y))
    train = tf.train.GradientDescentOptimizer(1e-3).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        losses = [session.run([loss, train])[0] for _ in range(100)]
    assert losses[-1] < losses[0]
