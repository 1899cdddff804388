"""`tricorn.data.Dataset` beside ``tf.data``: by what was recorded of it, and beside it."""

import collections
import gc
import json
import os
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import tricorn as keras
from tests.pipelines import table
from tricorn.data import Dataset, OutOfRangeError, TensorSpec
from tricorn.data.elements import decode, encode

pytestmark = pytest.mark.engine_free

RECORDED = json.loads(table.RECORD.read_text())
#: of what TensorFlow alone knows how many elements there are
UNKNOWN = {"unbatch of rows", "sample_from_datasets", "save into files"}
#: what TensorFlow cannot be compared in
OWN = {
    "shuffle": lambda d: d.range(20).shuffle(5, seed=1),
    "shuffle of rows": lambda d: table.pairs(d).shuffle(3, seed=2).batch(4),
    "shuffle, repeated": lambda d: d.range(5).shuffle(3, seed=3).repeat(3),
    "repeat, shuffled": lambda d: d.range(5).repeat(3).shuffle(4, seed=3),
    "cache, shuffled": lambda d: d.range(6).cache().shuffle(3, seed=3).repeat(2),
    "shuffle, cached": lambda d: d.range(6).shuffle(3, seed=3).cache().repeat(2),
    "windows, shuffled": lambda d: (
        d.range(9).window(3, 2).shuffle(3, seed=3).flat_map(lambda w: w.batch(3))
    ),
    "sample_from_datasets": lambda d: d.sample_from_datasets([d.range(4), d.range(10, 18)], seed=1),
    "rejection_resample": lambda d: d.range(30).rejection_resample(
        lambda x: x % 2, [0.9, 0.1], [0.5, 0.5], seed=1
    ),
    "save into shuffled files": lambda d: table.saved(
        d,
        d.range(9),
        lambda x: x % 3,
        lambda shards: shards.shuffle(3, seed=1).repeat(2).interleave(lambda s: s, 2, 2, 2),
    ),
    "sparse, ahead": lambda d: (
        table.ragged(d, 1, 3, 0, 2).sparse_batch(2, [4]).map(lambda x: x, 2).shuffle(2, seed=1)
    ),
    "all in threads": lambda d: (
        d.range(6)
        .interleave(lambda x: d.range(x).prefetch(2), 2, num_parallel_calls=2)
        .map(lambda x: x + 1, num_parallel_calls=2)
        .shuffle(4, seed=1)
        .batch(3)
        .prefetch(2)
    ),
}


@pytest.mark.parametrize("name", table.PIPELINES)
def test_gives_what_tensorflow_has_given(name):
    found = json.loads(json.dumps(table.outcome(table.PIPELINES[name](Dataset))))
    want = RECORDED[name]
    assert found["elements"] == want["elements"]
    unknown = -2 if name in UNKNOWN else want["cardinality"]
    assert found["cardinality"] in (want["cardinality"], len(want["elements"]), unknown)
    if want["elements"]:
        assert _fits(found["spec"], want["spec"]), (found["spec"], want["spec"])


def _fits(ours, theirs):
    """Whether specs agree; of functions' results we may know more of the shapes."""
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_fits(ours[k], theirs[k]) for k in theirs)
    if len(theirs) == 2 and isinstance(theirs[0], str):
        if ours[0] != theirs[0] or theirs[1] is None or ours[1] is None:
            return ours[0] == theirs[0]
        return len(ours[1]) == len(theirs[1]) and all(
            a == b or b is None or a is None for a, b in zip(ours[1], theirs[1])
        )
    return len(ours) == len(theirs) and all(map(_fits, ours, theirs))


@pytest.mark.heavy
def test_tensorflow_gives_what_was_recorded():
    tf = pytest.importorskip("tensorflow")
    for name, make in table.PIPELINES.items():
        assert table.outcome(make(tf.data.Dataset)) == RECORDED[name], name


def test_the_spec_of_datasets_that_functions_make_is_theirs():
    batches = Dataset.range(2, 5).flat_map(lambda n: Dataset.range(n).filter(len).batch(2))
    assert batches.element_spec == TensorSpec((None,), "int64")
    some = Dataset.range(3).interleave(lambda n: Dataset.range(n).map(lambda x: (x, x / 2)))
    assert [part.dtype for part in some.element_spec] == ["int64", "float64"]
    with pytest.raises(ValueError, match="no elements"):
        some.take(0).flat_map(lambda *x: Dataset.range(1)).element_spec  # noqa: B018


@pytest.mark.parametrize("name", [*table.PIPELINES, *OWN])
def test_iterators_go_on_where_they_were(name):
    """In another dataset that was made alike, and back in the same; later loops, too."""
    make = {**table.PIPELINES, **OWN}[name]
    count = len(list(make(Dataset)))
    for at in {0, 1, 2, count // 2, max(count - 1, 0), count}:
        first, second = make(Dataset), make(Dataset)
        iterator, other = iter(first), iter(second)
        for _ in range(min(at, count)):
            next(iterator)
        position = decode(encode(iterator.get_state()), Dataset._of_data)
        rest = list(map(table.plain, iterator))
        assert len(rest) == count - min(at, count)
        next(other, None)  # wherever it was
        other.set_state(position)
        assert list(map(table.plain, other)) == rest
        iterator.set_state(position)
        assert list(map(table.plain, iterator)) == rest
        assert list(map(table.plain, first)) == list(map(table.plain, second))


# ------------------------------------------------------------------------------------------ shuffle


def test_shuffle_draws_from_its_buffer():
    data = Dataset.range(40).shuffle(7, seed=1)
    orders = [[int(x) for x in data] for _ in range(200)]
    for order in orders:
        assert sorted(order) == list(range(40))
        assert all(x < place + 7 for place, x in enumerate(order))
    firsts = np.bincount([order[0] for order in orders], minlength=7)
    assert len(firsts) == 7 and firsts.min() > 10  # 200 / 7 = 29, σ = 5


def test_shuffle_is_distributed_as_tensorflows():
    """How often each element is at each place, in 2,000 orders of each: χ² of the two tables."""
    tf = pytest.importorskip("tensorflow")

    def counts(dataset):
        orders = np.array(list(dataset.as_numpy_iterator())).reshape(-1, 6)
        return np.stack([np.bincount(column, minlength=6) for column in orders.T])

    ours, theirs = (
        counts(d.range(6).shuffle(3, seed=5).repeat(2000)) for d in (Dataset, tf.data.Dataset)
    )
    assert (ours == 0).tolist() == (theirs == 0).tolist()
    both = np.maximum(ours + theirs, 1)
    assert ((ours - theirs) ** 2 / both).sum() < 50  # 24 degrees of freedom: p = 0.001 at 51


def test_orders_of_loops():
    again = Dataset.range(20).shuffle(20, seed=1)
    same = Dataset.range(20).shuffle(20, seed=1, reshuffle_each_iteration=False)
    assert list(again) != list(again)
    assert list(same) == list(same) == list(Dataset.range(20).shuffle(20, seed=1))
    assert list(Dataset.range(20).shuffle(20, seed=2)) != list(same)
    keras.utils.set_random_seed(1)
    first = list(Dataset.range(20).shuffle(20))
    keras.utils.set_random_seed(1)
    assert first == list(Dataset.range(20).shuffle(20))
    data = Dataset.range(20).shuffle(20, seed=1).map(lambda x: x)
    assert data.element_spec.shape == ()  # reads an element
    assert list(data) == list(Dataset.range(20).shuffle(20, seed=1))


def test_resampling_and_sampling_have_their_distributions():
    classes = Dataset.range(4000).rejection_resample(lambda x: x % 2, [0.8, 0.2], seed=1)
    found = np.array([int(one) for one, _ in classes.skip(200)])
    assert abs(found.mean() - 0.2) < 0.03  # σ = 0.008
    drawn = Dataset.sample_from_datasets(
        [Dataset.from_tensors(i).repeat() for i in range(3)], [0.5, 0.3, 0.2], seed=1
    )
    shares = np.bincount([int(x) for x in drawn.take(3000)]) / 3000
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.03)  # σ = 0.009


# --------------------------------------------------------------------------------------- in threads


def running():
    return [t for t in threading.enumerate() if t.name == "tricorn.data"]


def ended():
    """Whether no thread is left, within two seconds."""
    gc.collect()
    end = time.monotonic() + 2
    while running() and time.monotonic() < end:
        time.sleep(0.01)
    return not running()


THREADED = {
    "map": lambda d, f: d.map(f, num_parallel_calls=3),
    "prefetch": lambda d, f: d.map(f).prefetch(3),
    "interleave": lambda d, f: d.interleave(
        lambda x: Dataset.from_tensors(x).map(f).repeat(9), 3, num_parallel_calls=3
    ),
    "all": lambda d, f: d.map(f, num_parallel_calls=2).prefetch(2).map(f, 2).batch(2).prefetch(1),
}


@pytest.mark.parametrize("kind", THREADED)
def test_no_thread_is_left(kind):
    def slow(x):
        time.sleep(0.001)
        return x

    endless = THREADED[kind](Dataset.counter(), slow)
    for _, _ in zip(range(5), endless):
        pass
    assert ended()  # nobody holds the iterator
    held = iter(endless)
    next(held)
    assert running()
    held.close()
    assert ended()
    assert len(list(THREADED[kind](Dataset.range(10), slow))) > 3
    assert ended()


@pytest.mark.parametrize("kind", THREADED)
def test_errors_arrive_with_their_tracebacks(kind):
    def fails_at_four(x):
        if x == 4:
            raise KeyError("four")
        return x

    iterator = iter(THREADED[kind](Dataset.range(9), fails_at_four))
    before = next(iterator)
    assert np.ravel(before)[0] == 0
    with pytest.raises(KeyError, match="four") as caught:
        list(iterator)
    assert "fails_at_four" in "".join(traceback.format_tb(caught.value.__traceback__))
    del iterator, caught
    assert ended()


def test_the_interpreter_ends_with_threads_at_work():
    """Also with one that hangs: an iterator that is held does not keep the process."""
    program = (
        "import threading\n"
        "from tricorn.data import Dataset\n"
        "hang = threading.Event()\n"
        "wait = lambda x: x if x < 3 else hang.wait()\n"
        "held = iter(Dataset.counter().map(wait, num_parallel_calls=2).batch(2).prefetch(4))\n"
        "next(held)\n"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert time.monotonic() - began < 30


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_ctrl_c_ends_the_wait_for_a_thread():
    program = (
        "import os, signal, threading, time\n"
        "from tricorn.data import Dataset\n"
        "def hang(x):\n"
        "    if x == 0:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "try:\n"
        "    list(Dataset.range(3).map(hang, num_parallel_calls=2).prefetch(1))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=50, capture_output=True, text=True
    )
    assert done.stdout == "interrupted\n"


def test_results_of_threads_come_in_order_and_some_at_a_time():
    at_once, most = set(), [0]

    def slow(x):
        at_once.add(int(x))
        most[0] = max(most[0], len(at_once))
        time.sleep(0.002 * (3 - int(x) % 3))
        at_once.discard(int(x))
        return x

    assert list(Dataset.range(40).map(slow, num_parallel_calls=4)) == list(range(40))
    assert 2 <= most[0] <= 4


@pytest.mark.parametrize("drop", [False, True])
def test_threads_put_large_rows_into_their_batches(drop):
    def large(x):
        return {"rows": np.full((64, 64, 3), x, "float32"), "number": x}

    def make():
        return Dataset.range(23).map(large, num_parallel_calls=3).batch(5, drop_remainder=drop)

    wanted = list(Dataset.range(23).map(large).batch(5, drop_remainder=drop))
    iterator, positions, found = iter(make()), [], []
    for batch in iterator:
        positions.append(decode(encode(iterator.get_state()), Dataset._of_data))
        found.append(batch)
    assert all(batch["rows"].base is not None for batch in found)  # nobody has copied them
    for at, position in enumerate(positions):
        other = iter(make())
        other.set_state(position)
        for one, want in zip(found[: at + 1] + list(other), wanted, strict=True):
            np.testing.assert_array_equal(one["rows"], want["rows"])
            np.testing.assert_array_equal(one["number"], want["number"])
    uneven = Dataset.range(9).map(lambda x: np.zeros((100 + (x == 7), 100)), 2).batch(3)
    with pytest.raises(ValueError, match="elements of different shapes cannot make a batch"):
        list(uneven)


def test_no_more_is_read_ahead_than_asked_for():
    read = []
    data = Dataset.counter().map(lambda x: read.append(int(x)) or x).prefetch(3)
    iterator = iter(data)
    next(iterator)
    time.sleep(0.05)
    assert 2 <= len(read) <= 5


# ------------------------------------------------------------------------------------- the elements


def test_elements_are_numpys():
    elements = next(
        iter(Dataset.from_tensors((1, 2.0, True, "ä", [1, 2], np.zeros(2), ["a", "b"])))
    )
    kinds = [type(x) for x in elements]
    assert kinds == [np.int32, np.float32, np.bool_, bytes] + [np.ndarray] * 3
    assert elements[3] == "ä".encode() and elements[6].tolist() == [b"a", b"b"]
    assert elements[5].dtype == np.float64


def test_data_of_users_is_not_written_to():
    x = np.zeros((4, 2))
    for row in Dataset.from_tensor_slices(x):
        with pytest.raises(ValueError, match="read-only"):
            row += 1
    for batch in Dataset.from_tensor_slices(x).batch(2):
        batch += 1  # a copy
    assert not x.any()


def test_files_keep_elements(tmp_path):
    read = []
    path = tmp_path / "kept"
    make = lambda: table.pairs(Dataset).map(lambda x, y: read.append(1) or (x, y)).cache(path)
    want = list(map(table.plain, table.pairs(Dataset)))
    for _ in range(2):
        assert list(map(table.plain, make())) == want
        assert list(map(table.plain, make().repeat(2))) == want * 2
    assert len(read) == 6 and [file.name for file in tmp_path.iterdir()] == ["kept"]
    iterator = iter(make())
    next(iterator), next(iterator)
    other = iter(make())
    other.set_state(iterator.get_state())
    assert list(map(table.plain, other)) == want[2:]
    path.unlink()
    next(iter(make()))  # an interrupted loop keeps nothing
    assert not path.exists()


@pytest.mark.parametrize("keep", ["snapshot", "cache"])
def test_files_that_a_killed_loop_was_writing(tmp_path, keep):
    """They are written by the loop that goes on, so that the second epoch is the same."""

    def make(name):
        shuffled = Dataset.range(6).shuffle(6, seed=3)
        return getattr(shuffled, keep)(tmp_path / name).repeat(2)

    want = list(make("whole"))
    assert want[:6] == want[6:] == list(make("whole"))[:6]
    for at in (0, 4, 6, 8):
        iterator = iter(make(f"{at}"))
        for _ in range(at):
            next(iterator)
        position = decode(encode(iterator.get_state()), Dataset._of_data)
        del iterator
        other = iter(make(f"{at}"))
        other.set_state(position)
        assert list(other) == want[at:]
    gone = iter(make("gone"))
    with pytest.raises(ValueError, match="not there"):
        gone.set_state(position)


def test_saved_folders(tmp_path):
    path = tmp_path / "rows"
    with pytest.raises(FileNotFoundError, match=r"Dataset\.save"):
        Dataset.load(path)
    table.ragged(Dataset, 1, 3).map(lambda x: x).save(path)
    assert Dataset.load(path).element_spec == TensorSpec((None,), "int32")
    with pytest.raises(ZeroDivisionError):
        Dataset.range(3).map(lambda x: 1 // int(2 - x)).save(path)
    assert len(list(path.iterdir())) == 2 and len(Dataset.load(path)) == 2  # as it was before
    Dataset.range(4).save(path)
    assert len(list(path.iterdir())) == 2 and list(Dataset.load(path)) == list(range(4))
    for bad in ({"compression": "SNAPPY"}, {"checkpoint_args": {}}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Dataset.range(2).save(path, **bad)
    with pytest.raises(TypeError, match="reader_func must give a Dataset"):
        Dataset.load(path, reader_func=list)


Point = collections.namedtuple("Point", "x y")


def test_named_tuples_in_positions():
    data = Dataset.from_tensor_slices(Point([1, 2, 3], [4, 5, 6])).shuffle(3, seed=1)
    iterator, other = (iter(data.map(lambda p: p._replace(x=p.x * 2))) for _ in range(2))
    next(iterator)
    other.set_state(decode(encode(iterator.get_state()), Dataset._of_data))
    assert list(other) == (rest := list(iterator)) and type(rest[0]) is Point
    local = collections.namedtuple("Local", "x")(1)
    found = decode(encode(local), list)
    assert type(found).__name__ == "Local" and found._fields == ("x",) and found == (1,)
    text = encode(local).replace(b"test_datasets", b"other").replace(b'"Local"', b'"1 + 1"')
    with pytest.raises(ValueError, match="damaged"):
        decode(text, list)


def test_options_are_kept():
    options, later = keras.data.Options(), keras.data.Options()
    options.deterministic, options.threading.private_threadpool_size = False, 3
    later.deterministic = True
    data = Dataset.range(3).with_options(options).map(lambda x: x).with_options(later)
    assert data.options().deterministic and "size=3" in repr(data.options().threading)
    assert Dataset.range(3).options().deterministic is None
    for part in (options, options.autotune):
        with pytest.raises(AttributeError, match="no option 'speed'"):
            part.speed = 1


def test_optionals():
    iterator = iter(Dataset.range(1))
    there, end = (keras.data.experimental.get_next_as_optional(iterator) for _ in range(2))
    assert there.has_value() and there.get_value() == 0
    assert there.element_spec == TensorSpec((), "int64") and not end.has_value()
    with pytest.raises(ValueError, match="no value"):
        end.get_value()


def test_what_tensorflow_has_is_here_or_it_is_said_why_not():
    tf = pytest.importorskip("tensorflow")
    for theirs, ours in [
        (tf.data, keras.data), (tf.data.experimental, keras.data.experimental),
        (tf.data.Dataset, Dataset), (tf.compat.v1.data, keras.data),
    ]:  # fmt: skip
        for name in (name for name in dir(theirs) if not name.startswith("_")):
            if name not in dir(ours) and not (ours is Dataset and name == "fingerprint"):
                with pytest.raises(AttributeError, match=f"'{name}': "):
                    getattr(ours, name)


MEMORY = {"a": [1, (2.5, None)], "b": {3: b"x", "c": np.array([b"\0", b"y"], object)}}


def test_positions_are_data():
    values = {
        **MEMORY,
        "arrays": [np.arange(6).reshape(2, 3).astype(t) for t in ("int8", "float16", "bool")],
        "scalar": np.float64(2),
        "window": Dataset._listed([np.int64(1), np.int64(2)]),
    }
    found = decode(encode(values), Dataset._of_data)
    assert list(found.pop("window")) == [1, 2]
    values.pop("window")
    assert repr(found) == repr(values)
    data = encode(values)
    for bad in (b"", data[:20], data[:-3], b"\xff" * 40, b"{}", b'{"x": []}'):
        with pytest.raises(ValueError, match="damaged"):
            decode(bad, list)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda d: d.range(3).batch(0), ValueError, "batch_size must be a positive integer"),
        (lambda d: d.range(3).shuffle(0), ValueError, "buffer_size"),
        (lambda d: d.range(3).shard(2, 2), ValueError, "index < num_shards"),
        (lambda d: d.from_tensor_slices((np.zeros(2), np.zeros(3))), ValueError, "one length"),
        (lambda d: d.from_tensor_slices(3), ValueError, "one length"),
        (lambda d: d.from_tensors(object()), TypeError, "elements of a dataset"),
        (lambda d: list(table.ragged(d, 1, 2).batch(2)), ValueError, "padded_batch"),
        (lambda d: list(table.ragged(d, 1, 3).padded_batch(2, [2])), ValueError, "padded_shapes"),
        (lambda d: list(d.range(2).flat_map(lambda x: x)), TypeError, "must give a Dataset"),
        (lambda d: list(d.range(2).scan(0, lambda s, x: s)), TypeError, "scan_func"),
        (lambda d: list(d.range(4).window(2).batch(2)), TypeError, "flat_map"),
        (
            lambda d: list(d.from_tensors((np.zeros(2), np.zeros(3))).unbatch()),
            ValueError,
            "length",
        ),
        (lambda d: d.range(2).concatenate(d.from_tensors("a")).element_spec, TypeError, "differ"),
        (lambda d: list(d.from_generator(lambda: [[1]], "int32", ())), TypeError, "expected"),
        (lambda d: d.range(0).map(lambda x: x).element_spec, ValueError, "no elements"),
        (lambda d: d.list_files("nowhere/*"), FileNotFoundError, "nowhere"),
        (lambda d: len(d.range(3).repeat()), TypeError, "infinite"),
        (lambda d: len(d.range(3).filter(bool)), TypeError, "not known"),
        (lambda d: list(d.range(3).sparse_batch(2, [1])), ValueError, "row_shape"),
        (lambda d: list(d.zip(d.range(3), d.range(3)).sparse_batch(2, [])), ValueError, "one part"),
        (lambda d: list(table.apply("assert_cardinality", 2)(d, d.range(3))), ValueError, "more"),
        (lambda d: list(table.apply("assert_cardinality", 4)(d, d.range(3))), ValueError, "only 3"),
        (lambda d: table.apply("pad_to_cardinality", 4)(d, d.range(3)), ValueError, "dicts"),
        (lambda d: table.experimental(d).at(d.range(3), 3), IndexError, "no element 3"),
        (lambda d: table.experimental(d).from_list([]), ValueError, "empty"),
        (
            lambda d: table.experimental(d).SqlDataset("mysql", "", "", ()),
            ValueError,
            "sqlite",
        ),
        (
            lambda d: table.experimental(d).make_csv_dataset(
                table.some_files(table.TABLE), 2, label_name="q"
            ),
            ValueError,
            "no column 'q'",
        ),
        (lambda d: d.sample_from_datasets([d.range(3)], [0.5, 0.5]), ValueError, "weights"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make(Dataset)


# ---------------------------------------------------------------------------------------- iterators


def test_one_shot_iterators():
    iterator = Dataset.range(2).make_one_shot_iterator()
    assert [iterator.get_next(), iterator.get_next()] == [0, 1]
    for _ in range(2):
        with pytest.raises(OutOfRangeError):
            iterator.get_next()


def test_initializable_iterators():
    iterator = keras.data.make_initializable_iterator(lambda n, by=1: Dataset.range(0, n, by))
    with pytest.raises(RuntimeError, match="initializer"):
        iterator.get_next()
    iterator.initializer(3)
    assert list(iterator) == [0, 1, 2]
    iterator.initializer(6, by=2)
    next(iterator)
    position = iterator.get_state()
    assert list(iterator) == [2, 4]
    iterator.initializer(1)
    iterator.set_state(position)
    assert list(iterator) == [2, 4]
    plain = Dataset.range(2).make_initializable_iterator()
    for _ in range(2):
        plain.initializer()
        assert list(plain) == [0, 1]


def test_reinitializable_iterators():
    train, test = Dataset.range(5).shuffle(5, seed=1), Dataset.range(100, 102)

    def made():
        iterator = keras.data.Iterator.from_structure(train.output_types, train.output_shapes)
        return iterator, iterator.make_initializer(train), iterator.make_initializer(test)

    iterator, to_train, to_test = made()
    to_train()
    assert sorted(iterator) == list(range(5))
    to_test()
    assert iterator.get_next() == 100
    position = iterator.get_state()
    other, to_train, _ = made()
    to_train()
    next(other)
    other.set_state(position)
    assert list(other) == [101]
    with pytest.raises(TypeError, match="differ"):
        iterator.make_initializer(Dataset.from_tensors("a"))
    with pytest.raises(ValueError, match="initializer 1"):
        keras.data.Iterator.from_structure("int64").set_state(position)


def test_feedable_iterators():
    train, test = iter(Dataset.range(9)), iter(Dataset.range(100, 109))
    chosen = {"handle": train.string_handle()}
    iterator = keras.data.Iterator.from_string_handle(lambda: chosen["handle"], "int64", ())
    assert [iterator.get_next() for _ in range(2)] == [0, 1]
    chosen["handle"] = test.string_handle()
    assert iterator.get_next() == 100
    chosen["handle"] = train.string_handle()
    assert iterator.get_next() == 2  # each keeps its position
    texts = iter(Dataset.from_tensors("a"))
    chosen["handle"] = texts.string_handle()
    with pytest.raises(TypeError, match="differ"):
        next(iterator)
    chosen["handle"] = b"nobody's"
    with pytest.raises(ValueError, match="nobody's"):
        next(iterator)
