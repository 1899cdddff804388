"""What packages rely on that derive layers and models from Keras's, beside genuine Keras."""

import keras
import numpy as np
import pytest

import tricorn

pytestmark = pytest.mark.engine("jax")
BOTH = tricorn, keras

#: what derived layers ask an attention layer for
NAMES = (
    "num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape", "attention_axes",
    "flash_attention", "kernel_regularizer", "bias_constraint",
)  # fmt: skip


def test_names_of_attention_layers():
    ours, theirs = (lib.layers.MultiHeadAttention(2, 4, 6, use_bias=False) for lib in BOTH)
    for name in NAMES:
        assert getattr(ours, f"_{name}") == getattr(theirs, f"_{name}"), name
    ours, theirs = (layer._get_common_kwargs_for_sublayer() for layer in (ours, theirs))
    assert ours.keys() == theirs.keys()
    assert isinstance(ours["kernel_initializer"], tricorn.initializers.GlorotUniform)


def test_a_derived_layer_builds_its_own_projections():
    class OneBias(tricorn.layers.MultiHeadAttention):
        def build(self, query_shape, value_shape, key_shape=None):
            self._num_heads = 3
            self._query_dense = tricorn.layers.EinsumDense(
                "abc,cde->abde", (None, self._num_heads, self._key_dim), bias_axes="de",
                **self._get_common_kwargs_for_sublayer(),
            )  # fmt: skip
            self._query_dense.build(query_shape)

    layer = OneBias(2, 4)
    layer.build((None, 5, 8), (None, 5, 8))
    assert layer._query_dense.kernel.shape == (8, 3, 4) and layer.num_heads == 2


def decoder(lib):
    class Decoder(lib.layers.Layer):
        def build(self, words_shape, image_shape):
            self.gain = self.add_weight((words_shape[-1],), name="gain")
            self.shapes = words_shape, image_shape

        def call(self, words, image=None, also=None):
            return words * self.gain

        def compute_output_shape(self, words_shape):
            return words_shape

    return Decoder()


@pytest.mark.parametrize("lib", BOTH, ids=["tricorn", "keras"])
def test_shapes_of_arguments_by_name(lib):
    layer = decoder(lib)
    image, words = lib.Input((7,)), lib.Input((None, 3))
    found = layer(words=words, image=image, also=lib.Input((None, 5)))
    assert found.shape == (None, None, 3)
    assert layer.shapes == ((None, None, 3), (None, 7))


def test_the_rule_for_shapes_of_the_class_above():
    """As keras-bert's: the rule of the class above is for what its `call` gives."""

    class Both(tricorn.layers.Embedding):
        def call(self, x):
            return [super().call(x), self.embeddings * 1.0]

        def compute_output_shape(self, input_shape):
            return [super().compute_output_shape(input_shape), (self.input_dim, self.output_dim)]

    rows, table = Both(13, 12)(tricorn.Input((8,)))
    assert (rows.shape, table.shape) == ((None, 8, 12), (13, 12))


@pytest.mark.parametrize("lib", BOTH, ids=["tricorn", "keras"])
def test_weights_of_layers_that_are_attributes_before_the_graph_come_first(lib):
    class Backbone(lib.Model):
        def __init__(self):
            self.last = lib.layers.Dense(3, name="last")
            self.first = lib.layers.Dense(2, name="first")
            x = lib.Input((4,))
            middle = lib.layers.Dense(5, name="middle")
            super().__init__(x, self.last(middle(self.first(x))))

    model = Backbone()
    names = [variable.path for variable in model.weights]
    assert names[::2] == ["last/kernel", "first/kernel", "middle/kernel"]
    assert [layer.name for layer in model.layers[1:]] == ["first", "middle", "last"]
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)


@pytest.mark.parametrize("lib", BOTH, ids=["tricorn", "keras"])
def test_questions(lib):
    assert lib.layers.Dense(2).quantization_mode is None
    assert not hasattr(lib.Input((3,)), "__len__")


def test_lengths():
    """Of a tensor without values there is a length where the first size is known."""
    assert len(tricorn.KerasTensor((2, 3))) == 2
    for shape in ((), (None, 3)):
        assert not hasattr(tricorn.KerasTensor(shape), "__len__")
        with pytest.raises(TypeError, match=r"len\(\)"):
            len(tricorn.KerasTensor(shape))


@pytest.mark.parametrize("lib", BOTH, ids=["tricorn", "keras"])
def test_a_derived_checkpoint(lib, tmp_path):
    """As `wandb` writes one: it asks the base class when, and where."""
    saved = []

    class Logged(lib.callbacks.ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            if self._should_save_on_batch(batch):
                self._save_model(epoch=self._current_epoch, batch=batch, logs=logs)
                saved.append(self._get_file_path(self._current_epoch, batch, logs))

    model = lib.Sequential([lib.Input((2,)), lib.layers.Dense(1)])
    model.compile("sgd", "mse")
    path = str(tmp_path / "{epoch}-{batch}.keras")
    model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=2, epochs=2, verbose=0,
              callbacks=[Logged(path, save_freq=3)])  # fmt: skip
    names = ["1-3.keras", "2-2.keras"]
    assert saved == [str(tmp_path / name) for name in names]
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_a_layer_that_has_the_name_of_one_of_keras_in_an_old_file(tmp_path):
    class MultiHeadAttention(tricorn.layers.Layer):
        def __init__(self, heads, **kwargs):
            super().__init__(**kwargs)
            self.heads = heads

        def call(self, x):
            return x * self.heads

    model = tricorn.Sequential([tricorn.Input((3,)), MultiHeadAttention(2)])
    model.save(tmp_path / "model.h5")
    again = tricorn.models.load_model(
        tmp_path / "model.h5", {"MultiHeadAttention": MultiHeadAttention}
    )
    assert again.layers[0].heads == 2
