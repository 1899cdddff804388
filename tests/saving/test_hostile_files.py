"""Damaged and hostile files: each gives an error that names the file and the member."""

import contextlib
import io
import json
import zipfile

import h5py
import numpy as np
import pytest

import tricorn
from tricorn.saving import weights

pytestmark = pytest.mark.engine_free

WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def parts():
    """The members of a good file."""
    layers = tricorn.layers
    model = tricorn.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)], name="good")
    buffer = io.BytesIO()
    tricorn.saving.save_model(model, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def model():
    layers = tricorn.layers
    return tricorn.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)])


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def refused(path, *words, error=ValueError):
    """Loading raises an error that says all of `words`."""
    with pytest.raises(error) as caught:
        tricorn.saving.load_model(path)
    message = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    for word in (str(path.name), *words) if error is ValueError else words:
        assert word in message, message


def with_config(parts, change):
    config = json.loads(parts["config.json"])
    change(config)
    return {**parts, "config.json": json.dumps(config)}.items()


def changed_weights(parts, change):
    buffer = io.BytesIO(parts[WEIGHTS])
    with h5py.File(buffer, "a") as file:
        change(file)
    return buffer.getvalue()


# -------------------------------------------------------------------------------------- the archive


def test_the_good_file_loads(parts, tmp_path):
    path = archive(tmp_path / "good.keras", parts.items())
    assert tricorn.saving.load_model(path).name == "good"


@pytest.mark.parametrize("keep", [0, 10, 500, -30])
def test_cut_off_archives(parts, tmp_path, keep):
    path = archive(tmp_path / "cut.keras", parts.items())
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    refused(path)


def test_flipped_bytes_in_members(parts, tmp_path):
    path = archive(tmp_path / "bad.keras", parts.items())
    data = bytearray(path.read_bytes())
    data[data.index(b'"class_name"') + 2] ^= 1
    path.write_bytes(data)
    refused(path, "config.json", "damaged")


@pytest.mark.parametrize("member", ["config.json", WEIGHTS])
def test_missing_members(parts, tmp_path, member):
    rest = [(name, data) for name, data in parts.items() if name != member]
    refused(archive(tmp_path / "less.keras", rest), member)


@pytest.mark.parametrize(
    "name", ["../escaped", "/etc/escaped", "assets/../../escaped", "..\\escaped", "C:/escaped"]
)
def test_names_that_point_outside(parts, tmp_path, name):
    members = [*parts.items(), (name, b"x")]
    refused(archive(tmp_path / "out.keras", members), "outside")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.keras"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_are_there_twice(parts, tmp_path):
    members = [*parts.items(), ("config.json", b"{}")]
    refused(archive(tmp_path / "two.keras", members), "config.json", "twice")


def test_a_bomb_of_zeros(parts, tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            if name != WEIGHTS:
                file.writestr(name, data)
        file.writestr(WEIGHTS, bytes(1 << 22))
    data = path.read_bytes()
    # the directory's size field claims 3 GiB
    at = data.rindex(WEIGHTS.encode()) - 46 + 24
    path.write_bytes(data[:at] + (3 << 30).to_bytes(4, "little") + data[at + 4 :])
    refused(path, WEIGHTS, "declares")


def test_not_a_zip(tmp_path):
    path = tmp_path / "text.keras"
    path.write_text("hello")
    refused(path, "not a .keras archive")


# --------------------------------------------------------------------------------------- the config


@pytest.mark.parametrize(
    "text", [b"", b"[1, 2]", b"null", b"{", b"\xff\xfe", b'{"a": 1}', b"[" * 100_000],
    ids=["empty", "list", "null", "cut", "not text", "no class", "deep"],
)  # fmt: skip
def test_configs_that_are_no_models(parts, tmp_path, text):
    path = archive(tmp_path / "m.keras", {**parts, "config.json": text}.items())
    refused(path, "config.json")


def _first_dense(config):
    return config["config"]["layers"][1]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(config=[]),
        lambda c: c["config"].update(layers=3),
        lambda c: c["config"].update(layers=[3]),
        lambda c: c["config"].pop("layers"),
        lambda c: c.update(build_config=7),
        lambda c: c.update(compile_config=7),
        lambda c: _first_dense(c)["config"].update(units="many"),
        lambda c: _first_dense(c)["config"].update(units=-1),
        lambda c: _first_dense(c)["config"].update(surprise=1),
        lambda c: _first_dense(c)["config"].update(name={}),
        lambda c: _first_dense(c)["config"].update(activation="os.system"),
        lambda c: _first_dense(c)["config"].update(dtype={"class_name": "DTypePolicy"}),
        lambda c: _first_dense(c).update(build_config={"input_shape": "wide"}),
        lambda c: _first_dense(c).update(class_name="InputLayer"),
    ],
    ids=range(14),
)
def test_configs_with_wrong_parts(parts, tmp_path, change):
    path = archive(tmp_path / "m.keras", with_config(parts, change))
    refused(path, error=(ValueError, TypeError))


def test_names_of_other_modules_are_not_imported(parts, tmp_path):
    def change(config):
        _first_dense(config).update(module="antigravity", class_name="Fly", registered_name="Fly")

    path = archive(tmp_path / "m.keras", with_config(parts, change))
    refused(path, "Fly", "layers[1]", error=TypeError)


def test_huge_layers_do_not_fill_the_memory(parts, tmp_path):
    def change(config):
        config["config"]["layers"][1]["config"]["units"] = 10**10

    refused(archive(tmp_path / "m.keras", with_config(parts, change)), "bytes", error=(ValueError,))


def test_a_config_that_describes_no_model(parts, tmp_path):
    text = json.dumps(
        {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    )
    path = archive(tmp_path / "m.keras", {**parts, "config.json": text}.items())
    refused(path, "DTypePolicy", "expected a model")


# -------------------------------------------------------------------------------------- the weights


def _external_link(file):
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense_1/vars/0")


def _external_storage(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset(
        "0", (4, 3), "float32", external=[("/etc/hostname", 0, 48)]
    )


def _virtual(file):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[...] = h5py.VirtualSource("/etc/other.h5", "x", (4, 3))
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


def _bomb(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset(
        "0", (1 << 20, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip"
    )


def _strings(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.array([b"abc"], dtype=object)


def _named_type(file):
    file["layers/dense/vars/7"] = np.dtype("float32")


def _cycle(file):
    file["layers/dense/again"] = file["layers"]


def _group_for_array(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_group("0")


CHANGES = {
    _external_link: "ExternalLink", _soft_link: "SoftLink", _external_storage: "another file",
    _virtual: "virtual", _bomb: "declares", _strings: "numbers", _named_type: "Datatype",
    _cycle: "inside itself", _group_for_array: "missing",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_hdf5_tricks(parts, model, tmp_path, change):
    data = changed_weights(parts, change)
    path = archive(tmp_path / "m.keras", {**parts, WEIGHTS: data}.items())
    refused(path, WEIGHTS, CHANGES[change], "layers")
    alone = tmp_path / "m.weights.h5"
    alone.write_bytes(data)
    before = model.get_weights()
    with pytest.raises(ValueError, match=CHANGES[change]) as error:
        model.load_weights(alone)
    assert "m.weights.h5" in str(error.value)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("keep", [0, 8, 100, 2000, -500])
def test_cut_off_weights(parts, model, tmp_path, keep):
    path = archive(tmp_path / "m.keras", {**parts, WEIGHTS: parts[WEIGHTS][:keep]}.items())
    refused(path, WEIGHTS)
    alone = tmp_path / "m.weights.h5"
    alone.write_bytes(parts[WEIGHTS][:keep])
    with pytest.raises(ValueError, match=r"m\.weights\.h5"):
        model.load_weights(alone)


def test_random_damage_never_gets_through_unnoticed(parts, model, tmp_path):
    """A byte changed anywhere: the weights load, or a ValueError says that they do not."""
    rng = np.random.default_rng(0)
    path = tmp_path / "m.weights.h5"
    for _ in range(60):
        data = bytearray(parts[WEIGHTS])
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        with contextlib.suppress(ValueError):
            model.load_weights(path)


def test_compressed_weights_are_welcome(parts, model, tmp_path):
    """What other programs compressed is no bomb."""
    path = tmp_path / "m.weights.h5"
    with h5py.File(io.BytesIO(parts[WEIGHTS])) as source, h5py.File(path, "w") as target:
        for index, layer in enumerate(("dense", "dense_1")):
            for key in ("0", "1"):
                name = f"layers/{layer}/vars/{key}"
                target.create_dataset(name, data=source[name][()] * 0 + index, compression="gzip")
    model.load_weights(path)
    assert model.get_weights()[2].tolist() == np.ones((3, 2)).tolist()


def test_limits_are_deflates(tmp_path):
    """Even the best compressed real data passes."""
    path = tmp_path / "z.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a/vars/0", data=np.zeros(1 << 22), chunks=(1 << 20,), compression=9)
    with path.open("rb") as source, weights.WeightsFile(source, "z.h5") as found:
        assert found.stores["a"]["0"].shape == (1 << 22,)
