"""Weights in safetensors files: there and back, as the format says, and nothing that does not
fit."""

import json
import struct

import numpy as np
import pytest

import tricorn
from tricorn import layers


def make():
    model = tricorn.Sequential(
        [
            tricorn.Input((4,)),
            layers.Dense(3),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=1),
            layers.Dense(2, dtype="mixed_bfloat16"),
        ]
    )
    model.compile("adam", "mse")
    return model


@pytest.fixture
def file(tmp_path):
    model = make()
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    model.save_weights(tmp_path / "m.safetensors")
    return model, tmp_path / "m.safetensors"


def test_there_and_back(file):
    model, path = file
    again = make()
    again.load_weights(path)
    for ours, theirs in zip(again.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(FileExistsError):
        model.save_weights(path, overwrite=False)


@pytest.mark.engine("jax")
def test_format(file):
    model, path = file
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    entry = header["layers/dense/0"]
    assert (entry["dtype"], entry["shape"]) == ("F32", [4, 3])
    begin, end = (8 + length + place for place in entry["data_offsets"])
    kernel = np.frombuffer(data[begin:end], "float32").reshape(4, 3)
    np.testing.assert_array_equal(kernel, model.layers[0].kernel.numpy())
    assert not any(name.startswith("optimizer") for name in header)


def rewritten(path, change):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header = change(header) or header
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def setting(key, value, name="layers/dense/0"):
    return lambda header: header[name].update({key: value})


HOSTILE = {
    "shape": setting("shape", [4, 4]),
    "huge": setting("shape", [10**12, 10**12]),
    "negative": setting("shape", [-4, -3]),
    "fraction": setting("shape", [4.0, 3]),
    "dtype": setting("dtype", "O"),
    "outside": setting("data_offsets", [0, 10**9]),
    "overlap": setting("data_offsets", [4, 52]),
    "no shape": lambda header: header["layers/dense/0"].pop("shape"),
    "missing": lambda header: header.pop("layers/dense/0"),
    "no JSON": lambda header: b"{",
    "deep": lambda header: b"[" * 100_000,
    "list": lambda header: b"[]",
}


@pytest.mark.engine("jax")
@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_headers_are_refused(file, attack):
    _, path = file
    rewritten(path, HOSTILE[attack])
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"m\.safetensors is not a safetensors file"):
        model.load_weights(path)
    for ours, theirs in zip(model.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.engine("jax")
def test_cut_and_prolonged_files_are_refused(file):
    _, path = file
    data = path.read_bytes()
    for part in (b"", data[:5], data[:100], data[:-1], data + b"\0"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match="damaged"):
            make().load_weights(path)


@pytest.mark.engine("jax")
def test_weights_of_another_model_are_refused(file):
    _, path = file
    other = tricorn.Sequential([tricorn.Input((4,)), layers.Dense(5)])
    with pytest.raises(ValueError, match="does not fit the model"):
        other.load_weights(path)
