"""The methods and attributes that models had in Keras 1 and 2."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import json
import math
import os
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn import backend, ops, saving, tree
from tricorn.backend.values import is_placeholder, recorded, within
from tricorn.callbacks import Callback
from tricorn.classic import callbacks as callbacks_
from tricorn.classic.faces import adopt, adopted
from tricorn.classic.layer import LayerMethods, unchanging
from tricorn.classic.spellings import convert, warn
from tricorn.graph.calls import record_of
from tricorn.graph.symbolic import is_symbolic
from tricorn.layers import InputLayer, state
from tricorn.models import Model
from tricorn.models.layer_graph import LayerGraph, graph_of
from tricorn.training.adapters import class_weights
from tricorn.training.terms import distinct
from tricorn.utils import PyDataset


def spelled(method: Callable) -> Callable:
    """Decorator of a method that also takes Keras 1's names of its arguments."""
    names = list(inspect.signature(method).parameters)

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **convert(method.__name__, names, kwargs) if kwargs else {})

    return run


class _Told(Callback):
    """Tells the callbacks of a run what Keras 2 told them: more parameters, and with each batch its
    number, size and own loss, where the core gives the mean of the epoch so far."""

    passive = True

    def __init__(self, params: dict[str, Any], listeners: bool) -> None:
        super().__init__()
        self.more, self.so_far = params, (0.0, 0.0)
        if listeners:
            self.on_train_batch_begin = self._told  # type: ignore[method-assign]
            self.on_train_batch_end = self._ended  # type: ignore[method-assign]

    def set_params(self, params: dict[str, Any]) -> None:
        params.update(self.more)
        super().set_params(params)

    def on_train_end(self, logs: Any = None) -> None:
        self.params.pop("position", None)  # what is left is data

    def _told(self, batch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["batch"] = batch
            size, samples = self.more["batch_size"], self.more["samples"]
            if size and samples:
                logs["size"] = min(size, samples - batch * size)

    def _ended(self, batch: int, logs: Any = None) -> None:
        self._told(batch, logs)
        if logs and "loss" in logs:
            seen = float(self.model._tricorn.parts["training"].tracker.count)
            before, total = self.so_far if batch else (0.0, 0.0)
            self.so_far = seen, seen * logs["loss"]
            if seen > before:
                logs["loss"] = (self.so_far[1] - total) / (seen - before)


def _of_batches(name: str) -> Callable:
    """The method ``name_generator``."""

    def run(
        self: Any,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
        **kwargs: Any,
    ) -> Any:
        if "val_samples" in kwargs:
            generator, steps = _steps(generator, kwargs, "val_samples")
        _no_more(run.__name__, _of_queues(kwargs))
        return getattr(self, name)(
            generator, steps=steps, callbacks=callbacks, max_queue_size=max_queue_size,
            workers=workers, verbose=verbose,
        )  # fmt: skip

    run.__name__ = f"{name}_generator"
    run.__doc__ = f"`{name}` of batches from a generator or `Sequence`."
    return run


class ModelMethods(LayerMethods):
    """Mixin of models."""

    __slots__ = ()

    input_shape, output_shape = Model.input_shape, Model.output_shape

    def _tricorn_listed(self: Any) -> list:
        """The weights layer by layer; a layer has those that training changes first."""
        found = [weight for layer in self.layers for weight in layer.weights]
        return list(dict.fromkeys([*found, *super()._tricorn_listed()]))  # type: ignore[misc]

    # -------------------------------------------------------------------------------------- compile

    def compile(
        self: Any,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        **kwargs: Any,
    ) -> None:
        """Say how to train; arguments as in Keras 2.

        Args:
            optimizer, loss, metrics, loss_weights, weighted_metrics: see `Model.compile` of the
                core.
            sample_weight_mode: not needed: the shape of the weights tells.
            target_tensors: a tensor, or several in a list or dict by output: those that hold
                numbers are the targets of these outputs, so none are given in training; others,
                from `Input` and ``K.placeholder``, have no effect.
            kwargs: of `Model.compile` of the core; others, which were for sessions, are ignored.
        """
        from tricorn.classic import losses, optimizers
        from tricorn.classic import metrics as metrics_

        known = ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss")
        super().compile(  # type: ignore[misc]
            optimizer=optimizers.get(optimizer),
            loss=tree.map(lambda x: losses.OLDER.get(x, x) if isinstance(x, str) else x, loss),
            metrics=tree.map(metrics_.known_today, metrics),
            loss_weights=loss_weights,
            weighted_metrics=tree.map(metrics_.known_today, weighted_metrics),
            **{name: kwargs[name] for name in known if name in kwargs},
        )
        self._tricorn.parts["targets"] = _held_targets(self, target_tensors)
        self._tricorn.parts.pop("graph of the loss", None)

    @unchanging
    def compute_loss(
        self: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The total loss of a batch; targets of one number each are columns, as in Keras 2."""
        return super().compute_loss(x, _targets(self, y, y_pred), y_pred, sample_weight, training)  # type: ignore[misc]

    @unchanging
    def compute_metrics(
        self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Update the metrics with a batch, and give all; targets as in `compute_loss`."""
        return super().compute_metrics(x, _targets(self, y, y_pred), y_pred, sample_weight)  # type: ignore[misc]

    @property
    def metrics_names(self: Any) -> list[str]:
        """What the values are that `evaluate` and `train_on_batch` list."""
        found = super().metrics_names  # type: ignore[misc]
        now = self._tricorn.parts["training"]
        known = now.metrics is None or now.metrics.labels
        if not self.compiled or known or graph_of(self) is None:
            return found
        names = list(self.output_names)
        several = len(names) > 1
        losses = [f"{name}_loss" for name in names] if several else []
        labels = []
        for index, name in enumerate(names):
            prefix = f"{name}_" if several else ""
            for given in (now.metrics.given, now.metrics.weighted):
                chosen = given
                if isinstance(given, dict):
                    chosen = given.get(name)
                elif several and given and any(isinstance(x, (list, tuple)) for x in given):
                    chosen = given[index]
                chosen = chosen if isinstance(chosen, (list, tuple)) else [chosen]
                given_names = dict.fromkeys(
                    _label(metric) for metric in chosen if metric is not None
                )
                labels += [prefix + label for label in given_names]
        more = self._tricorn.parts.get("added to the graph")
        labels += [name for name, _ in more.metrics] if more is not None else []
        return ["loss", *losses, *distinct(labels)]

    # ----------------------------------------------------------------------------------- training

    @spelled
    def fit(
        self: Any,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Train for a number of epochs; see `Model.fit` of the core.

        Args:
            max_queue_size, workers, use_multiprocessing: of a `Sequence` or generator: the workers
                are threads.
        """
        _no_more("fit", kwargs)
        if isinstance(validation_data, list):
            validation_data = tuple(validation_data)
        class_weight, sample_weight = _by_class(self, y, class_weight, sample_weight)
        for source in (x, validation_data):
            _workers(source, workers, max_queue_size)
        x, validation_data = _taken(self, x), _taken(self, validation_data)
        rows = next((len(a) for a in tree.leaves(x) if hasattr(a, "__len__")), None)
        samples = None if y is None or rows is None else int(rows * (1 - validation_split))
        told: dict[str, Any] = {
            "batch_size": batch_size or 32 if samples else batch_size,
            "samples": samples,
            "do_validation": bool(validation_split) or validation_data is not None,
            "metrics": [*self.metrics_names, *(f"val_{name}" for name in self.metrics_names)],
        }
        given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        given = [one for one in given if one is not None]
        if given:
            held = _validation(x, y, validation_data, validation_split)
            for callback in given:
                callback.validation_data = held
        _rename_logs(given, told["metrics"])
        shown = [callbacks_.ProgbarLogger()] if verbose else []
        given = [*shown, _Told(told, bool(given)), *given, callbacks_.History()]
        return super().fit(  # type: ignore[misc]
            x, y, batch_size, epochs, verbose, given,
            validation_split, validation_data, shuffle, class_weight, sample_weight,
            initial_epoch, steps_per_epoch, validation_steps, None, validation_freq,
        )  # fmt: skip

    def evaluate(
        self: Any,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The loss, or a list of the loss and the metrics; see `Model.evaluate` of the core."""
        _workers(x, workers, max_queue_size)
        x = _taken(self, x)
        return super().evaluate(x, y, batch_size, verbose, sample_weight, steps, callbacks)  # type: ignore[misc]

    def predict(
        self: Any,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs, as NumPy arrays; see `Model.predict` of the core."""
        _workers(x, workers, max_queue_size)
        x = _taken(self, x)
        return super().predict(x, batch_size, verbose, steps, callbacks)  # type: ignore[misc]

    def train_on_batch(
        self: Any,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
    ) -> Any:
        """One step on one batch: the loss, or a list of the loss and the metrics.

        Args:
            reset_metrics: False: the metrics are those of all batches since they were reset.
        """
        class_weight, sample_weight = _by_class(self, y, class_weight, sample_weight)
        x = _taken(self, x)
        with _kept_metrics(self, not reset_metrics):
            return super().train_on_batch(x, y, sample_weight, class_weight)  # type: ignore[misc]

    def test_on_batch(
        self: Any, x: Any, y: Any, sample_weight: Any = None, reset_metrics: bool = True
    ) -> Any:
        """The loss, or a list of the loss and the metrics, of one batch."""
        x = _taken(self, x)
        with _kept_metrics(self, not reset_metrics):
            return super().test_on_batch(x, y, sample_weight)  # type: ignore[misc]

    def _make_train_function(self: Any) -> None:
        """Make the optimizer's state; the functions are made when they are needed."""
        self.optimizer.build(state.trainable_variables(self))

    def _make_test_function(self: Any) -> None:
        """Nothing: see `_make_train_function`."""

    _make_predict_function = _make_test_function

    def reset_metrics(self: Any) -> None:
        """Begin all metrics anew."""
        if not self._tricorn.parts.get("metrics are kept"):
            super().reset_metrics()  # type: ignore[misc]

    # --------------------------------------------------------------------------------- generators

    def fit_generator(
        self: Any,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
        **kwargs: Any,
    ) -> Any:
        """`fit` of batches from a generator or `Sequence`; Keras 1 counted samples."""
        if "samples_per_epoch" in kwargs:
            generator, steps_per_epoch = _steps(generator, kwargs, "samples_per_epoch")
        if "nb_val_samples" in kwargs and not isinstance(validation_data, (list, tuple)):
            validation_data, validation_steps = _steps(validation_data, kwargs, "nb_val_samples")
        kwargs.pop("nb_val_samples", None)
        spelled = convert("fit_generator", inspect.signature(self.fit).parameters, kwargs)
        given = {
            "epochs": epochs, "max_queue_size": max_queue_size, "workers": workers,
            "use_multiprocessing": use_multiprocessing, **spelled,
        }  # fmt: skip
        return self.fit(
            generator, steps_per_epoch=steps_per_epoch, verbose=verbose, callbacks=callbacks,
            validation_data=validation_data, validation_steps=validation_steps,
            validation_freq=validation_freq, class_weight=class_weight, shuffle=shuffle,
            initial_epoch=initial_epoch, **given,
        )  # fmt: skip

    evaluate_generator = _of_batches("evaluate")
    predict_generator = _of_batches("predict")

    # ------------------------------------------------------------------------------ the graph

    @property
    def _is_graph_network(self: Any) -> bool:
        """Whether the model is a graph of layers."""
        return graph_of(self) is not None

    @property
    def _loss_graph(self: Any) -> tuple[list, list, Any]:
        """Placeholders of targets and of weights of samples, and the loss of training."""
        if "graph of the loss" not in self._tricorn.parts:
            outputs = tree.leaves(self.outputs)
            targets = [backend.placeholder(ndim=len(x.shape), dtype=x.dtype) for x in outputs]
            weights = [backend.placeholder(ndim=1) for _ in outputs]
            _, whole = tree.take_apart(self.output)
            given = [tree.unflatten(whole, list(found)) for found in (targets, outputs, weights)]
            with recorded():
                loss = self.compute_loss(None, *given)
            self._tricorn.parts["graph of the loss"] = targets, weights, loss
        return self._tricorn.parts["graph of the loss"]

    targets = property(lambda self: self._loss_graph[0], doc="Placeholders of targets.")
    sample_weights = property(lambda self: self._loss_graph[1], doc="Placeholders of weights.")
    total_loss = property(
        lambda self: self._loss_graph[2], doc="The loss that training makes less."
    )
    _feed_targets, _feed_sample_weights = targets, sample_weights
    _feed_inputs = property(lambda self: self.inputs)

    @property
    def stateful(self: Any) -> bool:
        """Whether a layer keeps states from batch to batch."""
        return any(getattr(layer, "stateful", False) for layer in self.layers)

    def reset_states(self: Any) -> None:
        """Let the kept states of all layers be zeros."""
        for layer in self.layers:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()

    @property
    def state_updates(self: Any) -> list:
        """Those of `updates` that keep the states of recurrent layers."""
        stateful = [layer for layer in self.layers if getattr(layer, "stateful", False)]
        return [update for layer in stateful for update in layer.updates]

    def run_internal_graph(self: Any, inputs: Any, masks: Any = None) -> Any:
        """(outputs, masks, shapes) of the graph of layers on other tensors."""
        outputs = tree.leaves(self(inputs, mask=masks))
        return outputs, [None] * len(outputs), [tuple(x.shape) for x in outputs]

    def add_loss(self: Any, losses: Any, inputs: Any = None) -> None:
        """Add a loss; outside of a call a tensor, or a list of tensors, of the model's graph: it is
        computed with each call."""
        values = losses if isinstance(losses, (list, tuple)) else [losses]
        for value in values:
            if is_symbolic(value) and _outside(self):
                _with_more(self).losses.append(value)
            else:
                super().add_loss(value)

    def add_metric(
        self: Any, value: Any, name: str | None = None, aggregation: str = "mean"
    ) -> None:
        """Let a mean over batches take in a value; outside of a call a tensor of the model's
        graph: it is computed with each call."""
        if is_symbolic(value) and _outside(self):
            _with_more(self).metrics.append((name, value))
            state.metric_of(self, name)  # type: ignore[arg-type]
        else:
            super().add_metric(value, name)  # type: ignore[misc]

    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Run the graph."""
        more = self._tricorn.parts.get("added to the graph")
        if more is None:
            return super().call(inputs, training, mask)  # type: ignore[misc]
        outputs, losses, values = more.graph(self).call(inputs, training, mask)
        for loss in losses:
            record_of(self).add_loss(self, loss)
        for (name, _), value in zip(more.metrics, values):
            super().add_metric(value, name)  # type: ignore[misc]
        return outputs

    @property
    def losses(self: Any) -> list:
        """Those of layers, see `Layer.losses`, and those that were added to the graph."""
        more = self._tricorn.parts.get("added to the graph")
        added = [] if more is None or within() else more.losses
        return [*super().losses, *added]

    @classmethod
    def _tricorn_computes(cls) -> bool:
        return cls.call is not ModelMethods.call

    # --------------------------------------------------------------------------------------- files

    def save(
        self: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True
    ) -> None:
        """Save architecture, weights, compile arguments and optimizer state."""
        save_model(self, filepath, overwrite, include_optimizer)

    def load_weights(
        self: Any,
        filepath: Any,
        by_name: bool = False,
        skip_mismatch: bool = False,
        reshape: bool = False,
    ) -> None:
        """Load weights; see `Model.load_weights` of the core."""
        more = {"by_name": True} if by_name else {}
        more.update({"reshape": True} if reshape else {})
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **more)  # type: ignore[misc]

    def to_json(self: Any, **kwargs: Any) -> str:
        """The architecture as JSON; `model_from_json` makes the model again, not compiled.

        Args:
            kwargs: of ``json.dumps``.
        """

        def uncompiled(config: dict) -> dict:
            return {key: value for key, value in config.items() if key != "compile_config"}

        return json.dumps(json.loads(super().to_json(), object_hook=uncompiled), **kwargs)  # type: ignore[misc]

    def to_yaml(self: Any, **kwargs: Any) -> str:
        """The architecture as YAML; `model_from_yaml` makes the model again.  It is the flow style
        of YAML, which JSON is a part of.

        Args:
            kwargs: of ``json.dumps``.
        """
        return self.to_json(**{"indent": 2, **kwargs})

    def summary(
        self: Any, line_length: int | None = None, positions: Any = None, print_fn: Any = None
    ) -> None:
        """Print a table of the layers.

        Args:
            line_length, positions: see `Model.summary` of the core.
            print_fn: what gets each line instead of `print`.
        """

        def by_line(text: str, **_: Any) -> None:
            for line in text.splitlines():
                print_fn(line)

        super().summary(line_length, positions, by_line if print_fn is not None else None)  # type: ignore[misc]

    @classmethod
    def from_config(cls: Any, config: Any, custom_objects: Any = None, **kwargs: Any) -> Any:
        """The model of `get_config`'s result; `kwargs`: see `Model.from_config` of the core."""
        if isinstance(config, list):  # Keras up to 2.2, of a Sequential
            config = {"name": None, "layers": config}
        return adopted(super().from_config(config, custom_objects, **kwargs))  # type: ignore[misc]


class SequentialMethods(ModelMethods):
    """Mixin of `Sequential`."""

    __slots__ = ()

    def _tricorn_append(self: Any, layer: Any, names: set[str]) -> None:
        shape = getattr(getattr(layer, "_tricorn", None), "input_shape", None)
        first = not self._tricorn.parts["stack"] and not isinstance(layer, InputLayer)
        if first and shape is not None and layer._tricorn.input_tensor is None:
            made = adopt(InputLayer(batch_shape=shape, name=f"{layer.name}_input"))
            super()._tricorn_append(made, names)  # type: ignore[misc]
        super()._tricorn_append(layer, names)  # type: ignore[misc]

    def predict_proba(self: Any, x: Any, batch_size: int = 32, verbose: Any = 0) -> np.ndarray:
        """The outputs, which should be probabilities."""
        return self.predict(x, batch_size, verbose)

    def predict_classes(self: Any, x: Any, batch_size: int = 32, verbose: Any = 0) -> np.ndarray:
        """The class of each sample: where the output is largest; of a single output, whether it is
        above 0.5."""
        outputs = self.predict(x, batch_size, verbose)
        if outputs.shape[-1] > 1:
            return outputs.argmax(axis=-1)
        return (outputs > 0.5).astype("int32")


# ------------------------------------------------------------------------------------------ helpers


def save_model(
    model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True
) -> None:
    """Save a model: as HDF5, or as ``.keras`` where the path ends so.

    Args:
        model: the model.
        filepath: path of the file.
        overwrite: False: refuse when there is a file already.
        include_optimizer: whether the compile arguments and the optimizer's state are saved.
    """
    path = os.fspath(filepath)
    more = {} if include_optimizer else {"include_optimizer": False}
    saving.save_model(model, path, overwrite=overwrite, **more)


def _validation(x: Any, y: Any, data: Any, split: float) -> list | None:
    """What callbacks find as ``validation_data``: inputs, targets and sample weights in one list;
    None where they come in batches."""
    if split:
        first = int(len(tree.leaves(x)[0]) * (1 - split))
        data = tree.map(lambda a: a[first:] if hasattr(a, "shape") else a, (x, y))
    if not isinstance(data, (tuple, list)):
        return None
    x, y, *weights = data
    inputs, targets = (
        [a if len(np.shape(a)) > 1 else np.asarray(a)[:, np.newaxis] for a in tree.leaves(part)]
        for part in (x, y)
    )
    if not weights or weights[0] is None:
        weights = [np.ones(len(a)) for a in targets]
    return [*inputs, *targets, *tree.leaves(weights)]


def _held_targets(model: Any, given: Any) -> dict[str, Any]:
    """The targets that ``compile(target_tensors=...)`` gave as numbers, by output."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        several = given if isinstance(given, (list, tuple)) else [given]
        if len(several) != len(model.output_names):
            raise ValueError(
                f"compile: {len(several)} target_tensors were given for the "
                f"{len(model.output_names)} outputs {model.output_names}"
            )
        given = dict(zip(model.output_names, several))
    if unknown := sorted(given.keys() - set(model.output_names)):
        raise ValueError(
            f"compile: target_tensors has {unknown}, the outputs are {model.output_names}"
        )
    for name, target in given.items():
        if is_symbolic(target) and not is_placeholder(target):
            raise ValueError(
                f"compile: the target of {name!r} is computed in the graph; make a loss of it and "
                "of the output with model.add_loss"
            )
    return {name: x for name, x in given.items() if x is not None and not is_symbolic(x)}


def _by_class(model: Any, y: Any, weights: Any, sample_weight: Any) -> tuple[Any, Any]:
    """(weights by class, weights of samples); weights by output and class, in a dict or list, as
    weights of samples."""
    names = list(getattr(model, "output_names", None) or ())
    if isinstance(weights, (list, tuple)):
        weights = dict(zip(names, weights))
    if not isinstance(weights, dict) or y is None or not set(weights) & set(names):
        return weights, sample_weight

    def of(value: Any) -> dict[str, Any]:
        return value if isinstance(value, dict) else dict(zip(names, tree.leaves(value)))

    targets, given, found = of(y), of(sample_weight), []
    for name in names:
        own = given.get(name)
        if weights.get(name):
            more = class_weights(np.asarray(targets[name]), weights[name])
            own = more if own is None else own * more
        found.append(np.ones(len(targets[name])) if own is None else own)
    return None, found if len(names) > 1 else found[0]


def _targets(model: Any, y: Any, y_pred: Any) -> Any:
    """The targets of a batch: those given, and those of `compile`."""
    if held := model._tricorn.parts.get("targets"):
        names = model.output_names
        if not isinstance(y, dict):
            y = dict(zip((name for name in names if name not in held), tree.leaves(y)))
        targets = [held[name] if name in held else y[name] for name in names]
        y = targets if len(names) > 1 else targets[0]
    return _columns(y, y_pred)


def _columns(y: Any, y_pred: Any) -> Any:
    """Targets of shape `(n,)` as `(n, 1)`, where the predictions have more than one axis."""
    if any(len(x.shape) < 2 for x in tree.leaves(y_pred)):
        return y
    return tree.map(lambda x: ops.expand_dims(x, -1) if len(x.shape) == 1 else x, y)


class _Added:
    """What was added to a model's graph: losses and metrics, tensors of it."""

    def __init__(self) -> None:
        self.losses: list = []
        self.metrics: list[tuple[str | None, Any]] = []
        self._made: tuple[int, Any] | None = None

    def graph(self, model: Any) -> LayerGraph:
        """The model's graph with them among its outputs."""
        count = len(self.losses) + len(self.metrics)
        if self._made is None or self._made[0] != count:
            own: Any = graph_of(model)
            outputs = (own.output, self.losses, [value for _, value in self.metrics])
            self._made = (count, LayerGraph(own.input, outputs, model.name))
        return self._made[1]


def _with_more(model: Any) -> _Added:
    model._tricorn.parts["training"].programs = {}
    return model._tricorn.parts.setdefault("added to the graph", _Added())


def _outside(model: Any) -> bool:
    """Whether nothing is being called: the model's own graph is at hand."""
    from tricorn.graph.symbolic import recording

    return graph_of(model) is not None and recording() is None


@contextlib.contextmanager
def _kept_metrics(model: Any, keep: bool) -> Iterator[None]:
    model._tricorn.parts["metrics are kept"] = keep
    try:
        yield
    finally:
        model._tricorn.parts["metrics are kept"] = False


def _rename_logs(callbacks: list, names: list[str]) -> None:
    """Let callbacks that ask for logs by the names of Keras before 2.3 find them."""
    for callback in callbacks:
        for old, new in callbacks_.OLDER_LOGS.items():
            if new in names and old not in names:
                if getattr(callback, "monitor", None) == old:
                    warn(f"monitor={old!r}: Keras 2.3 calls it {new!r}")
                    callback.monitor = new
                if f"{{{old}" in str(getattr(callback, "filepath", "")):
                    callback.filepath = callback.filepath.replace(f"{{{old}", f"{{{new}")


def _label(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "name", None) or getattr(metric, "__name__", type(metric).__name__))


def _workers(source: Any, workers: int, size: int) -> None:
    if isinstance(source, PyDataset):
        source.workers, source.max_queue_size = workers, size


def _taken(model: Any, data: Any) -> Any:
    """Inputs by name without those that no input has, in a dict, in (x, y, ...) or in batches of a
    generator: Keras 2 takes what it needs, scripts hand on more (texts beside pictures of them)."""
    names = set(getattr(model, "input_names", None) or ())
    if isinstance(data, dict) and names < data.keys():
        return {name: value for name, value in data.items() if name in names}
    if isinstance(data, tuple) and data and isinstance(data[0], dict):
        return (_taken(model, data[0]), *data[1:])
    if isinstance(data, types.GeneratorType) and names:
        return (_taken(model, batch) for batch in data)
    return data


def _of_queues(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in kwargs.items() if k not in ("max_q_size", "nb_worker", "pickle_safe")}


def _no_more(method: str, kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise TypeError(f"{method} does not know the arguments {sorted(kwargs)}")


def _steps(generator: Any, kwargs: dict[str, Any], name: str) -> tuple[Any, int]:
    """(the generator, the number of batches) for Keras 1's number of samples: the size of the first
    batch tells."""
    samples = kwargs.pop(name)
    size = getattr(generator, "batch_size", None)
    if size is None:
        if isinstance(generator, PyDataset):
            first = generator[0]
        else:
            first = next(generator)
            generator = itertools.chain([first], generator)
        size = len(tree.leaves(first)[0])
    steps = math.ceil(samples / size)
    new = {"samples_per_epoch": "steps_per_epoch", "nb_val_samples": "validation_steps"}
    warn(f"{name}={samples} is Keras 1's; write {new.get(name, 'steps')}={steps}, in batches")
    return generator, steps
