"""``channels_first`` gives the transpose of what ``channels_last`` gives, gradients included."""

import inspect

import numpy as np
import pytest

import tricorn
from tests.oracle import array, close, quick
from tricorn import config, layers, ops
from tricorn.graph.scope import Scope
from tricorn.graph.transforms import value_and_grad

pytestmark = pytest.mark.heavy

#: arguments of each layer that has a layout, and how many spatial axes its input has
CASES = {
    "Conv1D": [(1, {"filters": 4, "kernel_size": 3, "strides": 2}),
               (1, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "causal"})],
    "Conv2D": [(2, {"filters": 4, "kernel_size": (3, 2), "strides": (1, 2), "padding": "same"}),
               (2, {"filters": 4, "kernel_size": 3, "groups": 2, "activation": "relu"})],
    "Conv3D": [(3, {"filters": 2, "kernel_size": 2, "padding": "same"})],
    "Conv1DTranspose": [(1, {"filters": 3, "kernel_size": 3, "strides": 2})],
    "Conv2DTranspose": [(2, {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}),
                        (2, {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1})],
    "Conv3DTranspose": [(3, {"filters": 2, "kernel_size": 2, "strides": 2})],
    "DepthwiseConv1D": [(1, {"kernel_size": 3, "depth_multiplier": 2})],
    "DepthwiseConv2D": [(2, {"kernel_size": 3, "strides": 2, "padding": "same"})],
    "SeparableConv1D": [(1, {"filters": 3, "kernel_size": 3, "padding": "same"})],
    "SeparableConv2D": [(2, {"filters": 3, "kernel_size": 3, "depth_multiplier": 2})],
    "MaxPooling1D": [(1, {"pool_size": 2})],
    "MaxPooling2D": [(2, {"pool_size": (3, 2), "strides": 2, "padding": "same"})],
    "MaxPooling3D": [(3, {"pool_size": 2})],
    "AveragePooling1D": [(1, {"pool_size": 3, "strides": 1, "padding": "same"})],
    "AveragePooling2D": [(2, {"pool_size": 2})],
    "AveragePooling3D": [(3, {"pool_size": 2, "strides": 1, "padding": "same"})],
    **{f"Global{kind}Pooling{rank}D": [(rank, {}), (rank, {"keepdims": True})]
       for kind in ("Max", "Average") for rank in (1, 2, 3)},
    "AdaptiveAveragePooling1D": [(1, {"output_size": 3})],
    "AdaptiveAveragePooling2D": [(2, {"output_size": 3})],
    "AdaptiveAveragePooling3D": [(3, {"output_size": 2})],
    "AdaptiveMaxPooling1D": [(1, {"output_size": 3})],
    "AdaptiveMaxPooling2D": [(2, {"output_size": 3})],
    "AdaptiveMaxPooling3D": [(3, {"output_size": 2})],
    # the elements of a larger window come in another order
    "LocallyConnected1D": [(1, {"filters": 3, "kernel_size": 1, "strides": 2})],
    "LocallyConnected2D": [(2, {"filters": 3, "kernel_size": 1, "strides": 2})],
    "STFTSpectrogram": [(1, {"frame_length": 4, "mode": "magnitude"}),
                        (1, {"frame_length": 4, "mode": "stft", "expand_dims": True})],
    "Flatten": [(1, {}), (2, {}), (3, {})],
    "ZeroPadding1D": [(1, {"padding": (1, 2)})],
    "ZeroPadding2D": [(2, {"padding": ((1, 0), (2, 3))})],
    "ZeroPadding3D": [(3, {"padding": (1, 0, 2)})],
    "Cropping2D": [(2, {"cropping": ((1, 0), (2, 1))})],
    "Cropping3D": [(3, {"cropping": 1})],
    "UpSampling2D": [(2, {"size": (2, 3)}), (2, {"size": 2, "interpolation": "bilinear"})],
    "UpSampling3D": [(3, {"size": 2})],
    "SpatialDropout2D": [(2, {"rate": 0.4})],
    "SpatialDropout3D": [(3, {"rate": 0.4})],
    "ConvLSTM1D": [(2, {"filters": 3, "kernel_size": 3})],
    "ConvLSTM2D": [(3, {"filters": 3, "kernel_size": 3, "return_sequences": True})],
    "ConvLSTM3D": [(4, {"filters": 2, "kernel_size": 2})],
}  # fmt: skip
#: layers whose layout is an axis: that of the channels
BY_AXIS = {
    "BatchNormalization": {},
    "LayerNormalization": {},
    "GroupNormalization": {"groups": 2},
    "RMSNormalization": {},
    "UnitNormalization": {},
    "Normalization": {"mean": [0.1, 0.2, 0.3, 0.4], "variance": [1.0, 2.0, 3.0, 4.0]},
    "Softmax": {},
}


def _takes_layout(cls):
    if not isinstance(cls, type) or issubclass(cls, layers.BaseImagePreprocessingLayer):
        return False  # those are in test_images.py
    return "data_format" in inspect.signature(cls.__init__).parameters


LAYERS = sorted({cls.__name__ for cls in vars(layers).values() if _takes_layout(cls)})
X = {
    rank: np.random.default_rng(rank).permutation(np.linspace(-2, 2, n, dtype="float32"))
    .reshape(shape)
    for rank, shape in {1: (2, 8, 4), 2: (2, 7, 8, 4), 3: (2, 5, 4, 6, 4), 4: (2, 3, 4, 5, 4, 4)}
    .items() for n in [int(np.prod(shape))]
}  # fmt: skip


@pytest.mark.engine_free
def test_every_layer_with_a_layout_is_here():
    assert not set(LAYERS) - set(CASES)


def first(x, places=1):
    """A channels-last array with the channels first, after so many axes."""
    return np.ascontiguousarray(np.moveaxis(x, -1, places)) if x.ndim > 2 else x


def compare(last, early, x, places=1):
    """Results, gradients and state of two layers, the second with the channels early: after so many
    axes of the input, and of an output of as many."""
    x_early = first(x, places)
    last.build(x.shape)
    early.build(x_early.shape)
    rng = np.random.default_rng(3)
    early.set_weights([np.abs(rng.normal(size=w.shape)) + 0.1 for w in early.weights])
    last.set_weights(early.get_weights())
    weights = rng.uniform(0.5, 1.5, last.compute_output_shape(x.shape)).astype("float32")

    def run(layer, x, weights):
        takes = "training" in inspect.signature(layer.call).parameters
        training = {"training": True} if takes else {}
        variables = layer.trainable_variables

        def fn(x):
            y = layer(x, **training)
            return ops.sum(ops.multiply(y, weights)), y

        def both(x):
            with Scope():  # what is assigned is not compared
                (_, y), dx = value_and_grad(fn, has_aux=True)(x)
                dw = value_and_grad(lambda: fn(x)[0], variables)()[1] if variables else []
            return y, dx, dw

        return quick(both)(ops.convert_to_tensor(x))

    tricorn.set_random_seed(1, portable=True)
    y, dx, dw = run(last, x, weights)
    of_output = places - (x.ndim - weights.ndim if places > 1 else 0)
    y_early, dx_early, dw_early = run(early, x_early, first(weights, of_output))
    close(y_early, first(array(y), of_output))
    close(dx_early, first(array(dx), places))
    for a, b in zip(dw_early, dw, strict=True):
        close(a, b)


@pytest.mark.parametrize("name, rank, kwargs", [
    pytest.param(name, rank, kwargs, id=f"{name}-{i}")
    for name in LAYERS for i, (rank, kwargs) in enumerate(CASES.get(name, []))
])  # fmt: skip
def test_layouts_agree(name, rank, kwargs):
    both = []
    for layout in ("channels_last", "channels_first"):
        tricorn.set_random_seed(1, portable=True)
        both.append(getattr(layers, name)(**kwargs, data_format=layout))
    compare(*both, X[rank], 2 if name.startswith("ConvLSTM") else 1)


@pytest.mark.parametrize("name", BY_AXIS)
def test_axes_of_channels_agree(name):
    make = lambda axis: getattr(layers, name)(**BY_AXIS[name], axis=axis)
    compare(make(-1), make(1), X[2])


@pytest.mark.engine_free
@pytest.mark.parametrize("name", LAYERS)
def test_the_configured_layout_is_the_default(name):
    kwargs = CASES[name][0][1]
    if kwargs.get("padding") == "causal":
        kwargs = {**kwargs, "padding": "valid"}
    try:
        config.set_image_data_format("channels_first")
        assert tricorn.backend.image_data_format() == "channels_first"
        layer = getattr(layers, name)(**kwargs)
    finally:
        config.set_image_data_format("channels_last")
    assert layer.data_format == "channels_first"
    assert layer.get_config()["data_format"] == "channels_first"
    assert getattr(layers, name)(**kwargs).data_format == "channels_last"
    with pytest.raises(ValueError, match="channels_middle"):
        getattr(layers, name)(**kwargs, data_format="channels_middle")


def test_a_model_with_channels_first_trains_alike():
    """Convolution, normalization over axis 1, pooling and Flatten: ten steps in either layout."""

    def fitted(layout):
        tricorn.set_random_seed(3, portable=True)
        kwargs, axis = {"data_format": layout}, -1 if layout == "channels_last" else 1
        x = X[2] if layout == "channels_last" else first(X[2])
        model = tricorn.Sequential(
            [
                tricorn.Input(x.shape[1:]),
                layers.Conv2D(4, 3, padding="same", activation="relu", **kwargs),
                layers.BatchNormalization(axis=axis),
                layers.SpatialDropout2D(0.2, **kwargs),
                layers.MaxPooling2D(**kwargs),
                layers.Flatten(**kwargs),
                layers.Dense(1),
            ]
        )
        model.compile("sgd", "mse")
        losses = model.fit(x, np.ones((2, 1)), epochs=10, verbose=0).history["loss"]
        return losses, model.predict(x, verbose=0)

    for a, b in zip(fitted("channels_first"), fitted("channels_last"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
