"""What the networks share: their arguments, the image that comes in, what stands at the end, and
published weights."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, cast

from tricorn import activations, checks, config, layers
from tricorn.graph.symbolic import is_symbolic
from tricorn.models import Functional
from tricorn.utils.files import get_file
from tricorn.utils.source_inputs import get_source_inputs

#: where most files are
ORIGIN = "https://storage.googleapis.com/tensorflow/keras-applications/"

#: what the arguments of the functions that make models mean
MEANINGS = {
    "include_top": "whether the model ends in its classifier; without it, in its features.",
    "weights": '"imagenet", trained on ImageNet, which are downloaded once; None: random ones; or '
    "the path of a file of weights.",
    "input_tensor": "a symbolic tensor to begin at, whose shape is then that of the images.",
    "input_shape": "shape of an image, when it is not {size}×{size} with three channels; sizes may "
    "be None without the classifier, and are {smallest} at least.",
    "pooling": "without the classifier, what becomes of the features: None, (batch, height, width, "
    'channels) as they are; "avg" or "max" over all places, (batch, channels).',
    "classes": "number of classes.",
    "classifier_activation": "activation of the classifier; None gives logits. With weights that "
    'are loaded, None or "softmax".',
    "name": "name of the model.",
    "alpha": "factor of the number of filters in each layer.",
    "depth_multiplier": "filters for each channel in depthwise convolutions.",
    "dropout": "rate of the dropout before the classifier.",
    "dropout_rate": "rate of the dropout before the classifier.",
    "minimalistic": "no squeeze-and-excite, hard swish and 5×5 windows: less accurate, and faster "
    "on a GPU.",
    "include_preprocessing": "whether the model scales the pixels itself.",
}


class Files(NamedTuple):
    """Published weights: those with the classifier, and those without.

    Attributes:
        address: of the folder; relative to `ORIGIN`.
        names: of the files there.
        hashes: of the two, parted by a space; None where none were published.
        kept_as: names in the cache, where they are others.
    """

    address: str
    names: tuple[str, str]
    hashes: str | None = None
    kept_as: tuple[str, str] | None = None

    def fetch(self, include_top: bool) -> str:
        """The path of the file in the cache."""
        which = 0 if include_top else 1
        address = self.address if "://" in self.address else ORIGIN + self.address
        return get_file(
            (self.kept_as or self.names)[which],
            f"{address}/{self.names[which]}",
            cache_subdir="models",
            file_hash=self.hashes and self.hashes.split()[which],
        )


def kernels(stem: str, hashes: str, address: str | None = None) -> Files:
    """Files that are named as most are."""
    name = f"{stem}_weights_tf_dim_ordering_tf_kernels"
    return Files(address or stem, (f"{name}.h5", f"{name}_notop.h5"), hashes)


@dataclasses.dataclass
class Builder:
    """One model in the making: the arguments that all networks have, and the layers to make it of.

    Attributes:
        layers: the package of layers, today's or that of the classic face.
        model: makes the model of inputs and outputs.
    """

    include_top: bool
    weights: str | os.PathLike[str] | None
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int
    classifier_activation: Any
    name: str | None
    layers: Any = layers
    model: Callable[..., Any] = Functional

    @property
    def axis(self) -> int:
        """The axis of the channels."""
        return 1 if config.image_data_format() == "channels_first" else -1

    def channels(self, x: Any) -> int:
        return x.shape[self.axis]

    def norm(self, name: str | None = None, **settings: Any) -> Any:
        return self.layers.BatchNormalization(axis=self.axis, name=name, **settings)

    def relu(self, name: str | None = None) -> Any:
        return self.layers.Activation("relu", name=name)

    def concatenated(self, tensors: list, name: str | None = None) -> Any:
        return self.layers.Concatenate(axis=self.axis, name=name)(tensors)

    def strided_pad(self, x: Any, size: int, name: str) -> Any:
        """`x` padded such that a valid convolution of stride 2 does what TensorFlow's "same"
        does."""
        spatial = x.shape[2:4] if self.axis == 1 else x.shape[1:3]
        after = size // 2
        even = (1, 1) if spatial[0] is None else [1 - side % 2 for side in spatial]
        pads = tuple((after - one, after) for one in even)
        return self.layers.ZeroPadding2D(pads, name=name)(x)

    def logits(self, x: Any, name: str = "predictions", **settings: Any) -> Any:
        """The last layer of a classifier."""
        activation = self.classifier_activation
        return self.layers.Dense(self.classes, activation=activation, name=name, **settings)(x)


def chain(x: Any, *layers: Any) -> Any:
    """`x` through one layer after the other."""
    for layer in layers:
        x = layer(x)
    return x


def pooled_classifier(
    build: Builder, x: Any, pool: str | None = "avg_pool", name: str = "predictions"
) -> Any:
    """The mean over all places, and a layer of the classes."""
    return build.logits(build.layers.GlobalAveragePooling2D(name=pool)(x), name)


def pooled(build: Builder, x: Any, named: bool = False) -> Any:
    """The features as `pooling` has them; `named`: its layer has a name of its own."""
    if build.pooling is None:
        return x
    kind = "Average" if build.pooling == "avg" else "Max"
    name = f"{build.pooling}_pool" if named else None
    return getattr(build.layers, f"Global{kind}Pooling2D")(name=name)(x)


def named_pooled(build: Builder, x: Any) -> Any:
    return pooled(build, x, named=True)


class Architecture(NamedTuple):
    """What makes a network.

    Attributes:
        title: name of the function that makes it.
        name: of the model.
        body: ``(builder, image) -> features``; other arguments are bound when a model is made.
        files: published weights.
        size: width and height of images.
        smallest: the least that they may be.
        top: ``(builder, features) -> classes``, the classifier.
        end: ``(builder, features) -> outputs``, without it.
        fixed: when the size of images must be known: "top", with the classifier; "always"; "".
        last_only: whether channels must be the last axis.
    """

    title: str
    name: str
    body: Callable[..., Any]
    files: Files
    size: int = 224
    smallest: int = 32
    top: Callable[..., Any] = pooled_classifier
    end: Callable[..., Any] = pooled
    fixed: str = "top"
    last_only: bool = False

    def build(self, build: Builder) -> Any:
        """The model.

        Raises:
            ValueError: for arguments that do not go together.
        """
        shape = self.shape(build)
        for fault in self._faults(build, shape):
            raise ValueError(f"{self.title}: {fault}")
        tensor, weights = build.input_tensor, build.weights
        if weights == "imagenet":
            weights = self.files.fetch(build.include_top)
        if tensor is None:
            tensor = build.layers.Input(shape)
        elif not is_symbolic(tensor):
            tensor = build.layers.Input(tensor=tensor)
        x = self.body(build, tensor)
        x = self.top(build, x) if build.include_top else self.end(build, x)
        inputs, name = get_source_inputs(tensor), build.name or self.name
        model = build.model(inputs[0] if len(inputs) == 1 else inputs, x, name=name)
        if weights is not None:
            model.load_weights(weights)
        return model

    def shape(self, build: Builder) -> tuple[int | None, ...]:
        """The shape of an image."""
        if build.input_shape is not None:
            return tuple(build.input_shape)
        side = self.size if self._is_fixed(build) else None
        return (3, side, side) if build.axis == 1 else (side, side, 3)

    def _is_fixed(self, build: Builder) -> bool:
        return self.fixed == "always" or (self.fixed == "top" and build.include_top)

    def _faults(self, build: Builder, shape: tuple) -> Iterator[str]:
        """What arguments are wrong in."""
        weights, pretrained = build.weights, build.weights == "imagenet"
        with_top, fixed = build.include_top, self._is_fixed(build)
        told = f"got input_shape={shape}"
        if self.last_only and build.axis == 1:
            yield (
                "it does not support the `channels_first` image data format: choose "
                'set_image_data_format("channels_last")'
            )
        if not (weights is None or pretrained or os.path.exists(weights)):
            yield (
                'the `weights` argument should be either None (random), "imagenet", or the path of '
                f"a file that is there; got {weights!r}"
            )
        if pretrained and with_top and build.classes != 1000:
            yield (
                'with weights="imagenet" and include_top=True `classes` should be 1000, got '
                f"{build.classes!r}"
            )
        if build.pooling not in (None, "avg", "max"):
            yield f'pooling must be None, "avg" or "max", got {build.pooling!r}'
        if with_top and (not checks.is_int(build.classes) or build.classes < 1):
            yield f"classes must be a positive integer, got {build.classes!r}"
        activation, allowed = build.classifier_activation, (activations.linear, activations.softmax)
        if with_top and weights is not None and activations.get(activation) not in allowed:
            yield (
                "only `None` and `softmax` activations are allowed for `classifier_activation` "
                f"when weights are loaded, got {activation!r}"
            )
        if len(shape) != 3:
            yield f"`input_shape` must be a tuple of three integers, got {shape}"
        channels, *sides = shape if build.axis == 1 else (shape[2], *shape[:2])
        if pretrained and fixed and with_top and any(side != self.size for side in sides):
            yield (
                'with include_top=True and weights="imagenet" `input_shape` should be '
                f"{self.size}x{self.size} with 3 channels, {told}"
            )
        if pretrained and channels != 3:
            yield f'with weights="imagenet" the input must have 3 channels, {told}'
        if any(side is not None and side < self.smallest for side in sides):
            yield f"input size must be at least {self.smallest}x{self.smallest}, {told}"
        if fixed and None in shape:
            yield f"with its classifier it needs a static `input_shape`, {told}"
        if channels not in (1, 3):
            warnings.warn(
                f"{self.title} usually expects 1 or 3 input channels, {told}", stacklevel=4
            )


class Application(Protocol):
    """A function that makes models."""

    architecture: Architecture

    def __call__(
        self,
        include_top: bool = True,
        weights: str | os.PathLike[str] | None = "imagenet",
        input_tensor: Any = None,
        input_shape: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = ...,
    ) -> Functional: ...


def application(module: str, architecture: Architecture, source: str) -> Application:
    """The function that makes the models of an architecture.

    Args:
        module: where it stands.
        source: of the architecture.
    """

    def build(
        include_top=True, weights="imagenet", input_tensor=None, input_shape=None, pooling=None,
        classes=1000, classifier_activation="softmax", name=architecture.name,
    ):  # fmt: skip
        return architecture.build(
            Builder(
                include_top, weights, input_tensor, input_shape, pooling, classes,
                classifier_activation, name,
            )
        )  # fmt: skip

    return named(build, module, architecture, source)


def named(function: Any, module: str, architecture: Architecture, source: str) -> Application:
    """A function that makes models, with its name and docstring."""
    title, size = architecture.title, architecture.size
    function.__name__ = function.__qualname__ = title
    function.__module__, function.architecture = module, architecture
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    lines = "".join(f"    {name}: {MEANINGS[name]}\n" for name in names)
    function.__doc__ = (
        f"{title}, a classifier of images of {size}×{size} pixels in the 1,000 classes of "
        f"ImageNet.\n\nArgs:\n{lines.format(size=size, smallest=architecture.smallest)}\n"
        "Returns:\n    The model. It takes images (batch, height, width, 3), as the module's\n"
        "    `preprocess_input` makes them of pixels from 0 to 255, and gives (batch, classes).\n\n"
        "Raises:\n    ValueError: for arguments that do not go together.\n"
        "    OSError: when the weights cannot be downloaded.\n\n"
        f"Source: {source}.\n\nExample:\n    >>> # model = keras.applications.{title}()\n"
    )
    return cast(Application, function)
