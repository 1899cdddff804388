"""`Trainer`: compile, fit, evaluate, predict.

A training step is one ordinary function that reads and assigns Variables: `train_step(self, data)`
has one signature on every engine, and is compiled by `tricorn.graph.compiled.Compiled`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tricorn import (
    checks,
    config,
    losses,
    metrics,
    ops,
    optimizers,
    seeds,
    signatures,
    tree,
)
from tricorn.callbacks import CallbackList, History, backup
from tricorn.callbacks.callback_list import Run, as_floats
from tricorn.conventions import MODERN, Conventions, conventions_of, set_conventions
from tricorn.engines import active
from tricorn.engines.abstract import NeedsEngine
from tricorn.graph.compiled import Compiled, checked_jit_compile
from tricorn.graph.interpreted import Interpreted, watching
from tricorn.graph.op import to_dense
from tricorn.graph.ownership import is_ours
from tricorn.graph.scope import Scope
from tricorn.graph.transforms import discover, value_and_grad
from tricorn.layers import state
from tricorn.layers.base import Layer
from tricorn.layers.calling import call_names
from tricorn.serialization import registry
from tricorn.tracebacks import shortened
from tricorn.training import adapters, functions, loop, ranges
from tricorn.training.adapters import unpack_x_y_sample_weight
from tricorn.training.sparse_rows import as_tensors
from tricorn.training.state import TrainingState
from tricorn.training.terms import LossTerms, MetricTerms, is_crossentropy


class Trainer(Layer):
    """The part of `Model` that trains."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tricorn.parts["training"] = TrainingState()
        self.compiled = False
        #: callbacks end a run by setting one of these
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.optimizer: Any = None
        self.loss: Any = None
        self.run_eagerly = False
        self.steps_per_execution: int | str = "auto"
        self.jit_compile: bool | str | None = "auto"
        self.history: Any = None

    #: what `make_train_function` and its like have made
    train_function: Any = None
    test_function: Any = None
    predict_function: Any = None

    @classmethod
    def _tricorn_computes(cls) -> bool:
        """Whether the class says what a call computes."""
        return True

    def _tricorn_numbers(self) -> int | None:
        """How many numbers its layers give for a sample, where that is known."""
        return None

    # -------------------------------------------------------------------------------------- compile

    @shortened
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = "auto",
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how to train.  What is trainable now is what training will change.

        Args:
            optimizer: name or `Optimizer`.
            loss: name, function, `Loss`; for several outputs a list, a dict by their names, or a
                tree in the form of the outputs; None for an output without a loss.
            loss_weights: factors of the losses of several outputs.
            metrics: list of names, functions, `Metric` objects (by output: list, dict or tree of
                lists).
            weighted_metrics: likewise; these use sample and class weights.  What has the name of
                one of `metrics` is logged as ``weighted_...``.
            run_eagerly: run the Python of every step line by line, for debugging.
            steps_per_execution: steps in one dispatch: a number, or "auto", about 50 ms' worth.
            jit_compile: "auto": as is best on the engine; on PyTorch code of yours is run at every
                step then, and only steps that are the library's alone are traced.  True: whatever
                the engine's compiler can do (XLA on TensorFlow), and your Python may be run once
                and written down.  False: as little as the engine can: on PyTorch and JAX steps run
                as Python.
            auto_scale_loss: with the dtype policy "mixed_float16" scale the loss, by a
                `LossScaleOptimizer` around the optimizer.

        Raises:
            ValueError: for an unknown name, and other `steps_per_execution` or `jit_compile`.
        """
        checked_jit_compile(jit_compile)
        if run_eagerly and jit_compile is True:
            warnings.warn("run_eagerly=True: jit_compile=True is of no effect", stacklevel=2)
        for argument, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given is not None and not isinstance(given, (list, tuple, dict)):
                raise ValueError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict, got {given!r}"
                )
        if steps_per_execution != "auto" and (
            not isinstance(steps_per_execution, int) or steps_per_execution < 1
        ):
            raise ValueError(
                f'steps_per_execution must be "auto" or a positive int, got {steps_per_execution!r}'
            )
        self.optimizer = optimizers.get(optimizer)
        if (
            auto_scale_loss
            and self.dtype_policy.name == "mixed_float16"
            and isinstance(self.optimizer, optimizers.Optimizer)
            and not isinstance(self.optimizer, optimizers.LossScaleOptimizer)
        ):
            self.optimizer = optimizers.LossScaleOptimizer(self.optimizer)
        # names that are registered for this call only are wanted again at the first batch
        loss, metrics, weighted_metrics = map(_registered, (loss, metrics, weighted_metrics))
        self.loss, self.run_eagerly = loss, bool(run_eagerly)
        self.steps_per_execution, self.jit_compile = steps_per_execution, jit_compile
        for one in tree.leaves(loss):
            if not is_crossentropy(one):
                losses.get(one)
        now, names, conventions = _state(self), _names_of_outputs(self), conventions_of(self)
        terms = None if loss is None else LossTerms(loss, loss_weights, names, conventions)
        now.losses = terms
        needed = terms.needed if terms is not None else None
        now.metrics = MetricTerms(metrics, weighted_metrics, names, needed, conventions)
        if isinstance(self.optimizer, optimizers.legacy.LegacyOptimizer):
            set_conventions(self.optimizer, conventions)
        now.tracker = _mean("loss")
        now.arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        trainable = set(state.trainable_variables(self))
        now.trained = frozenset(trainable)
        now.frozen = frozenset(self._tricorn_parameters() - trainable)
        now.programs, now.called = {}, False
        self.train_function = self.test_function = self.predict_function = None
        self.compiled = True

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as data."""
        arguments = _state(self).arguments
        if not self.compiled or arguments is None:
            return None
        given = dict(arguments)
        given["optimizer"] = self.optimizer
        _by_output(given, _names_of_outputs(self) or (), conventions_of(self))
        if given["steps_per_execution"] == "auto":
            given["steps_per_execution"] = 1  # Keras knows numbers only; ours is the default
        return {key: registry.serialize_keras_object(value) for key, value in given.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` said, and make the optimizer's state if possible."""
        if not isinstance(config, dict):
            raise ValueError(f"the compile_config of {self.name!r} must be a dict, got {config!r}")
        known = inspect.signature(self.compile).parameters
        arguments = {
            key: registry.deserialize_keras_object(value)
            for key, value in config.items()
            if key in known
        }
        if arguments.get("steps_per_execution") == 1:
            arguments["steps_per_execution"] = "auto"
        if arguments.get("jit_compile") is True:  # Keras writes what it chose itself
            arguments["jit_compile"] = "auto"
        self.compile(**arguments)
        if self.optimizer is not None and self.built:
            self.optimizer.build(_training_variables(self))

    @property
    def metrics(self) -> list:
        """The loss's running mean and those of the outputs' losses; the metrics of `compile` as
        one metric, whose result is a dict; and the metrics that layers hold."""
        now = _state(self)
        found = [] if now.tracker is None else [now.tracker]
        if now.losses is not None:
            found += now.losses.trackers
        if now.metrics is not None and (now.metrics.given or now.metrics.weighted):
            found.append(now.metrics)
        found += super().metrics
        return list(dict.fromkeys(found))

    @property
    def metrics_names(self) -> list[str]:
        """What the values are that `evaluate` lists: those of the metrics of `compile` and of
        several losses are known after the first batch."""
        terms = _state(self).metrics
        names = (
            terms.labels if terms is not None and m is terms else [m.name] for m in self.metrics
        )
        return [name for several in names for name in several]

    def reset_metrics(self) -> None:
        """Begin all metrics anew."""
        for metric in self.metrics:
            metric.reset_state()

    # ---------------------------------------------------------------------------------------- steps

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on a batch; override it for a training of your own.

        Args:
            data: x, (x, y) or (x, y, sample_weight); see `unpack_x_y_sample_weight`.

        Returns:
            name -> value of the metrics.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)

        def forward() -> tuple[Any, Any]:
            y_pred = _forward(self, x, training=True)
            loss = _loss_of(self, x, y, y_pred, sample_weight, training=True)
            return _scaled(self, loss), (loss, y_pred)

        _build_by_call(self, x)
        variables = _training_variables(self)
        if not variables:
            warnings.warn(f"the model {self.name!r} has no trainable weights", stacklevel=2)
            _, (loss, y_pred) = forward()
        else:
            (_, (loss, y_pred)), grads = value_and_grad(forward, variables, has_aux=True)()
            self.optimizer.apply(grads, variables)
        _state(self).tracker.update_state(loss, sample_weight=_batch_size(x))
        return _metrics_of(self, x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation on a batch."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = _forward(self, x, training=False)
        loss = _loss_of(self, x, y, y_pred, sample_weight, training=False)
        _state(self).tracker.update_state(loss, sample_weight=_batch_size(x))
        return _metrics_of(self, x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The predictions for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return _forward(self, x, training=False)

    def make_train_function(self, force: bool = False) -> Callable:
        """The function that `fit` runs steps with: ``train_function(batches)`` takes the next batch
        from an iterator, trains on it, and gives the logs.

        Override it to run the steps of `fit` in a way of your own; what the override sets as
        ``self.train_function``, or gives, is called until no batch is left. It is Python that runs
        for each step, so an override of `train_step`, which is compiled, is faster. A function of
        two arguments is called as Keras does on JAX: ``(state, batches) -> (logs, state)``.

        Args:
            force: make it anew, also if there is one.
        """
        return _made_function(self, "train", force)

    def make_test_function(self, force: bool = False) -> Callable:
        """The function that `evaluate` runs steps with; see `make_train_function`."""
        return _made_function(self, "test", force)

    def make_predict_function(self, force: bool = False) -> Callable:
        """The function that `predict` runs steps with; see `make_train_function`.  It gives the
        outputs."""
        return _made_function(self, "predict", force)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The total loss of a batch: that of `compile` and those the layers added.

        Raises:
            ValueError: when there is none.
        """
        parts, terms = [], _state(self).losses
        if terms is not None:
            total = terms(y, y_pred, sample_weight)
            if total is not None:
                parts.append(total)
        joined = ops.mean if conventions_of(self).added_losses == "mean" else ops.sum
        for loss in self.losses:
            parts.append(joined(ops.cast(loss, parts[0].dtype if parts else ops.dtype(loss))))
        if not parts:
            if training:
                raise ValueError(
                    f"the model {self.name!r} has no loss: give compile a loss, or call add_loss "
                    "in a layer"
                )
            return ops.zeros(())
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict:
        """Update the metrics of `compile` with a batch and give all results."""
        terms = _state(self).metrics
        if terms is not None:
            terms.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def compiled_loss(
        self, y: Any, y_pred: Any, sample_weight: Any = None, regularization_losses: Any = None
    ) -> Any:
        """`compute_loss`, as a `train_step` of tf.keras calls it; the logs' "loss" takes it in.

        Args:
            regularization_losses: not needed: the losses of layers are always added.
        """
        loss = self.compute_loss(None, y, y_pred, sample_weight)
        _state(self).tracker.update_state(loss, sample_weight=_batch_size(y_pred))
        return loss

    @property
    def compiled_metrics(self) -> Any:
        """The metrics of `compile` as one, ``update_state(y, y_pred, sample_weight)``."""
        return _state(self).metrics

    def get_metrics_result(self) -> dict[str, Any]:
        """name -> value of all metrics now."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            value = metric.result()
            results.update(value if isinstance(value, dict) else {metric.name: value})
        return results

    # ------------------------------------------------------------------------------------------ fit

    @shortened
    @loop.training
    @adapters.closing()
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
        resume: Any = None,
    ) -> History:
        """Train for a number of epochs.

        Args:
            x: array; list or dict of arrays for several inputs; or a source of batches
                ``(inputs, targets[, weights])``: generator, `PyDataset`, data loader.
            y: targets likewise (none for a source).
            batch_size: samples per step, default 32 (none for a source).
            epochs: number of the last epoch; training runs epochs - initial_epoch of them.
            verbose: 0 silent, 1 a live line, 2 a line per epoch, "auto".
            callbacks: list of `Callback` objects.
            validation_split: fraction of the data, the *last* of it as given, kept for validation.
            validation_data: (x, y), (x, y, sample_weight) or a source of batches.
            shuffle: a new order for each epoch (arrays only); "batch": of the batches, which stay
                together, so that files are read in pieces.
            class_weight: {class: weight} of the loss.
            sample_weight: weight of each sample in the loss.
            initial_epoch: number of the first epoch, when a training goes on.
            steps_per_epoch: steps per epoch, for endless sources.  The next epoch goes on where one
                ended; when the data end, the epoch does, with a warning, and the next begins anew.
            validation_steps, validation_batch_size: likewise for the validation, which begins anew
                each time.
            validation_freq: validate every so many epochs, or after the listed ones (from 1).
            resume: a folder, in which the training is saved every minute and at its end: the same
                program, run again after it was killed, goes on there and ends with the same
                numbers.  Or a `BackupAndRestore`, which says more.

        Returns:
            `History`: ``history.history`` is name -> list of values per epoch.

        Raises:
            ValueError: for data that do not fit each other or the model; the message says what.
        """
        _need_compiled(self, "fit", optimizer=True)
        _check_counts(
            self, epochs, initial_epoch, steps_per_epoch, validation_steps, validation_freq
        )
        train, validation = _feeds(self,
            x, y, batch_size, validation_split, validation_data, shuffle, class_weight,
            sample_weight, steps_per_epoch, validation_steps, validation_batch_size,
        )  # fmt: skip
        feeds = [feed for feed in (train, validation) if feed is not None]
        calls = CallbackList([callbacks, backup.of(resume)], add_history=True)
        for feed in feeds:
            feed.remember = calls.can_go_on
        program = _program(self, "train", looped=True)
        ranges.refuse_text(self, train)
        _prepare(self, "train", program, train.first)
        users = _users_function(self, "train")
        users_test = None if validation is None else _users_function(self, "test")
        if isinstance(train, adapters.ArrayFeed):
            ranges.look_at(self, train.arrays)
        epochs = config.limited("epochs", epochs)
        steps = _within_limit(train, steps_per_epoch) or train.steps
        if validation is not None:
            _within_limit(validation, None)
        position = loop.Position(*seeds.begin_fit(), initial_epoch, first_epoch=initial_epoch)
        calls = CallbackList(
            calls, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=epochs,
            steps=steps, position=position,
        )  # fmt: skip
        pace = _pace(self, calls, "train", users)
        test_pace = _pace(self, calls, "test", users_test)
        self.stop_training = False
        logs: dict[str, Any] = {}
        run = Run(position, feeds, loop.interrupted, lambda: _make_metrics(self, program, train))
        with (
            calls.held(run),
            loop.interruptible(calls.can_go_on) as check,
        ):
            calls.on_train_begin()
            for epoch in range(position.epoch, epochs):  # a callback may have gone ahead
                if epoch > position.epoch:
                    position.epoch, position.step = epoch, 0
                self.reset_metrics()
                calls.on_epoch_begin(epoch)
                result, done = loop.run(
                    users or program,
                    train,
                    train.epoch(position, pace),
                    pace,
                    calls.on_train_batch_begin,
                    calls.on_train_batch_end,
                    lambda: self.stop_training,
                    check,
                    position,
                    calls.due_in,
                )
                if calls.params.get("steps") is None:
                    calls.set_params({**calls.params, "steps": done})
                if result is not None:
                    logs = position.logs = as_floats(result)
                else:  # all steps were done when the training was interrupted
                    logs = position.logs = position.logs or as_floats(self.get_metrics_result())
                if validation is not None and _due(validation_freq, epoch):
                    validation.begin_anew()
                    found = _evaluate(self, validation, calls, test_pace, check, users_test)
                    logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
                position.logs = None
                calls.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            finish = getattr(self.optimizer, "finalize_variable_values", None)
            if finish is not None and epochs > initial_epoch:
                finish(_training_variables(self))
            calls.on_train_end(logs)
        return self.history

    # ------------------------------------------------------------------------- evaluate and predict

    @shortened
    @adapters.closing()
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data, in inference mode.

        Args: as `fit`'s.

        Returns:
            The loss; with metrics, or several losses, a list in the order of `metrics_names`: the
            loss, those of the outputs, the metrics in the order of `compile`, those of layers.
            With `return_dict` name -> value.
        """
        _need_compiled(self, "evaluate")
        feed = adapters.feed(x, y, sample_weight, batch_size=batch_size, steps=steps)
        ranges.refuse_text(self, feed)
        steps = _within_limit(feed, steps)
        count = steps or feed.steps
        calls = CallbackList(
            callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=count
        )
        users = _users_function(self, "test")
        with loop.interruptible() as check, loop.testing(count):
            pace = _pace(self, calls, "test", users)
            logs = _evaluate(self, feed, calls, pace, check, users)
        return logs if return_dict else _as_list(self, logs)

    @shortened
    @adapters.closing()
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for data, as NumPy arrays, batch by batch.

        Args: as `fit`'s.
        """
        feed = adapters.feed(x, batch_size=batch_size, steps=steps, stack=False, inputs_only=True)
        ranges.refuse_text(self, feed)
        steps = _within_limit(feed, steps)
        count = steps or feed.steps
        calls = CallbackList(
            callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=count
        )
        program, engine = _program(self, "predict", looped=False), active()
        users = _users_function(self, "predict")
        outputs: list = []
        self.stop_predicting = False
        batches = _predict_batches(feed, steps)
        together = 1 if self.steps_per_execution == "auto" else int(self.steps_per_execution)
        groups = iter(lambda: list(itertools.islice(batches, together)), [])
        with loop.interruptible() as check, contextlib.ExitStack() as at_end:
            at_end.enter_context(loop.testing(count))
            at_end.callback(feed.keep)
            calls.on_predict_begin()
            while group := loop.following(groups):
                calls.on_predict_batch_begin(len(outputs))
                found = users.on_each(group) if users else [program(batch) for batch in group]
                feed.done(len(group))
                outputs += found
                logs = functools.partial(_outputs_of, engine, found)
                calls.on_predict_batch_end(len(outputs) - 1, logs)
                if len(outputs) > 8:  # a few batches ahead of the device
                    engine.block(outputs[-9])
                check()
                if self.stop_predicting:
                    break
            calls.on_predict_end()
        if not outputs:
            raise ValueError("predict was given no batch")
        return _joined(engine, outputs)

    # ------------------------------------------------------------------------------ single batches

    @shortened
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; gives the loss and metrics of this batch."""
        _need_compiled(self, "train_on_batch", optimizer=True)
        batch = as_tensors(adapters.one_batch(x, y, sample_weight, class_weight))
        return _on_batch(self, "train", batch, return_dict)

    @shortened
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch."""
        _need_compiled(self, "test_on_batch")
        batch = as_tensors(adapters.one_batch(x, y, sample_weight))
        return _on_batch(self, "test", batch, return_dict)

    @shortened
    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        batch = as_tensors(adapters.one_batch(x))
        users = _users_function(self, "predict")
        program = _program(self, "predict", looped=False)
        found = users.on_each([batch])[-1] if users else program(batch)
        return tree.map(active().numpy, found)


# ------------------------------------------------------------------------------------------ helpers


def _registered(given: Any) -> Any:
    """What names are registered for; other names and things as they are."""
    if isinstance(given, dict):
        return {key: _registered(one) for key, one in given.items()}
    if isinstance(given, (list, tuple)):
        return [_registered(one) for one in given]
    found = registry.get_registered_object(given) if isinstance(given, str) else None
    return given if found is None else found


def _state(model: Trainer) -> TrainingState:
    return model._tricorn.parts["training"]


def _training_variables(model: Trainer) -> list:
    """The Variables that training changes, as of `compile`."""
    layers = state.flatten(model)
    own = dict.fromkeys(v for layer in layers for v in state.own_trainable(layer))
    new = own.keys() - _state(model).trained - _state(model).frozen
    now = new & set(state.trainable_variables(model)) if new else new
    return [v for v in own if v in _state(model).trained or v in now]


def _forward(model: Trainer, x: Any, training: bool) -> Any:
    kind: Any = type(model)
    names, _, anything = call_names(kind)
    given = {"training": training} if "training" in names or anything else {}
    if not given:
        from tricorn.graph.calls import calling

        with calling(training):
            return model(x)
    return model(x, **given)


def _loss_of(
    model: Trainer, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool
) -> Any:
    offered = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight}
    return signatures.call(model.compute_loss, offered, training=training)


def _metrics_of(model: Trainer, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    offered = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight}
    return signatures.call(model.compute_metrics, offered)


def _build_by_call(model: Trainer, x: Any) -> None:
    """Make the weights of layers that are built when they are called, by a forward pass whose
    other effects are dropped: once, for what it does not reach is no part of the model."""
    if _state(model).called:
        return
    if not all(layer.built for layer in model._flatten_layers()):
        with Scope():
            _forward(model, x, training=False)
    _state(model).called = True


def _names_of_outputs(model: Trainer) -> list[str] | None:
    """The names of a graph's outputs; None for a model that is no graph."""
    return getattr(model, "output_names", None) if model.built else None


def _by_output(arguments: dict[str, Any], names: Sequence[str], conventions: Conventions) -> None:
    """Let arguments of `compile` that are for all of several outputs be said of each, where Keras 3
    wants it so."""
    loss, weights = arguments["loss"], arguments["loss_weights"]
    if len(names) < 2:
        return
    if isinstance(weights, (list, dict)) and not tree.is_nested(loss):
        several = isinstance(weights, list)
        arguments["loss"] = [loss] * len(names) if several else dict.fromkeys(names, loss)
    for key in ("metrics", "weighted_metrics"):
        given = arguments[key]
        flat = isinstance(given, list) and not any(map(tree.is_nested, given))
        if flat and conventions is not MODERN:
            arguments[key] = [given] * len(names)


def _scaled(model: Trainer, loss: Any) -> Any:
    scale = getattr(model.optimizer, "scale_loss", None)
    return scale(loss) if scale is not None else loss


def _program(model: Trainer, kind: str, looped: bool) -> Compiled | Interpreted:
    """The compiled (with run_eagerly: plain) form of train_step, test_step or predict_step."""
    step = _step_of(model, kind)

    def one(data: Any) -> Any:
        found = step(adapters.trimmed(data))
        return tree.map(to_dense, found) if kind == "predict" else found

    def numbered(number: Any, arrays: Any, order: Any, size: Any) -> Any:
        return one(adapters.batch_of(number, arrays, order, size))

    fn = numbered if looped else one
    if model.run_eagerly:
        return Interpreted(fn, looped, within=watching)
    key = f"{kind}{'_loop' if looped else ''}"
    made = _state(model).programs.get(key)
    if made is None:
        pure = functools.partial(is_ours, model)
        program = Compiled(fn, looped, False, model.jit_compile, pure)
        made = _state(model).programs.setdefault(key, program)
    return made


def _made_function(model: Trainer, kind: str, force: bool) -> Callable:
    """The function of a kind that is there, or the library's own."""
    name = f"{kind}_function"
    if force or getattr(model, name) is None:

        def run(batch: Any) -> Any:
            program = _program(model, kind, looped=False)
            _prepare(model, kind, program, lambda: batch)
            return program(batch)

        groups = functools.partial(_groups, model, kind)
        setattr(model, name, functions.StepFunction(run, groups, model.steps_per_execution))
    return getattr(model, name)


def _users_function(model: Trainer, kind: str) -> functions.UsersFunction | None:
    """What a user wants steps of a kind to be run by; None: the library's programs run them."""
    name = f"make_{kind}_function"
    made = getattr(model, name)
    if getattr(made, "__func__", None) is getattr(Trainer, name):
        function = getattr(model, f"{kind}_function")
    else:
        found = made()
        function = getattr(model, f"{kind}_function") or found
    if function is None or isinstance(function, functions.StepFunction):
        return None
    if functions.takes_state(function):
        function = functools.partial(_with_state, model, kind, function)
    return functions.UsersFunction(function)


def _groups(model: Trainer, kind: str) -> list[list]:
    """The Variables whose values Keras calls the state of a step, on JAX."""
    groups = [model.trainable_variables, model.non_trainable_variables]
    if kind == "train":
        groups.append(model.optimizer.variables)
    if kind != "predict":
        groups.append(model.metrics_variables)
    return groups


def _step_of(model: Trainer, kind: str) -> Callable:
    """``step(data)`` of a kind: the model's method, which may also be ``(self, state, data)``."""
    step = getattr(model, f"{kind}_step")
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(step).parameters.values()
    needed = [p for p in parameters if p.kind in places and p.default is p.empty]
    if len(needed) == 2:
        return functools.partial(_with_state, model, kind, step)
    if kind == "train" and type(model).train_step is not Trainer.train_step:
        return functools.partial(_recorded, step)
    return step


def _recorded(step: Callable, data: Any) -> Any:
    """A step of a user's, who may ask the framework itself for gradients; none of what it gives."""
    engine = active()
    with engine.native_gradients(True):
        logs = step(data)
    return tree.map(lambda x: engine.stop_gradient(x) if engine.is_tensor(x) else x, logs)


def _with_state(model: Trainer, kind: str, step: Callable, data: Any) -> Any:
    """A step that is given the values of the Variables, and gives new ones, as Keras writes them on
    JAX: ``(logs, state) = step((trainable, non-trainable[, optimizer's][, metrics']), data)``; or a
    function of batches, of the same form."""
    now, batches = _state(model), isinstance(data, functions.Batches)
    if not now.called:  # everything that the state holds is made before
        x, y, sample_weight = unpack_x_y_sample_weight(data.first() if batches else data)
        with Scope():
            y_pred = _forward(model, x, training=False)
            if kind != "predict":
                _loss_of(model, x, y, y_pred, sample_weight, training=False)
                _metrics_of(model, x, y, y_pred, sample_weight)
        now.called = True
    if kind == "train" and not _optimizer_ready(model):
        model.optimizer.build(_training_variables(model))
    groups = _groups(model, kind)
    if active().capabilities["abstract"]:
        raise NeedsEngine(f"{kind}_step(self, state, data) of {model.name!r} calls the framework")
    result, after = step(tuple([v.value for v in variables] for variables in groups), data)
    if kind == "predict" and not batches:
        groups, after = groups[1:], (after,)
    for variables, values in zip(groups, after, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    return result


def _interpreted(model: Trainer, program: Compiled | Interpreted) -> Interpreted | None:
    """What runs a program's steps as Python, None: they are compiled."""
    return program if isinstance(program, Interpreted) else program.interpreted()


def _need_compiled(model: Trainer, what: str, optimizer: bool = False) -> None:
    if not model.compiled:
        raise ValueError(
            f"call compile(...) before {what}: the model {model.name!r} does not know its "
            "optimizer and loss yet"
        )
    if optimizer and model.optimizer is None:
        raise ValueError(f"{what} needs an optimizer; give one to compile(...)")


def _joined(engine: Any, outputs: list) -> Any:
    """The outputs of several batches as arrays."""
    arrays = [tree.map(engine.numpy, found) for found in outputs]
    return tree.map(lambda *parts: np.concatenate(parts) if len(parts) > 1 else parts[0], *arrays)


def _outputs_of(engine: Any, found: list) -> dict[str, Any]:
    """The logs of batches that were predicted in one execution."""
    return {"outputs": found[0] if len(found) == 1 else _joined(engine, found)}


def _feeds(
    model: Trainer, x: Any, y: Any, batch_size: Any, split: float, validation: Any,
    shuffle: bool | str, class_weight: Any, sample_weight: Any, steps: Any, validation_steps: Any,
    validation_batch: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """The feeds of training and validation."""
    train: Any = adapters.feed(
        x, y, sample_weight, batch_size=batch_size, shuffle=shuffle,
        class_weight=class_weight, steps=steps, stack=not model.run_eagerly,
    )  # fmt: skip
    if split and validation is None:
        if not isinstance(train, (adapters.ArrayFeed, adapters.FileFeed)):
            raise ValueError("validation_split works on arrays; give validation_data instead")
        return train.split(split, validation_batch, validation_steps)
    if validation is None:
        return train, None
    size = validation_batch or batch_size
    if isinstance(validation, tuple) and not adapters.is_source(validation[0]):
        parts = unpack_x_y_sample_weight(validation)
        return train, adapters.feed(*parts, batch_size=size, steps=validation_steps)
    return train, adapters.feed(validation, steps=validation_steps)


def _prepare(model: Trainer, kind: str, program: Any, first: Callable[[], Any]) -> None:
    """Build what is not built yet: by a run on shapes, with errors that name layer and shape,
    or, where steps run as Python, by a forward pass whose effects are dropped."""
    if model.built and _optimizer_ready(model):
        return
    batch, interpreted = adapters.trimmed(first()), _interpreted(model, program)
    if interpreted is None:
        discover(_step_of(model, kind), (batch,))
        return
    if not model.built and model._tricorn_computes():
        interpreted.dropped(lambda data: _build_by_call(model, *_inputs(data)), batch)
    variables = _training_variables(model)
    if kind == "train" and variables and not _optimizer_ready(model):
        model.optimizer.build(variables)


def _make_metrics(model: Trainer, program: Any, feed: Any) -> None:
    """Let the metrics have their Variables, which they get in the first step."""
    interpreted = _interpreted(model, program)
    if interpreted is not None:
        interpreted.dropped(_step_of(model, "train"), adapters.trimmed(feed.first()))


def _optimizer_ready(model: Trainer) -> bool:
    return model.optimizer is None or getattr(model.optimizer, "built", True)


def _pace(model: Trainer, calls: CallbackList, mode: str, users: Any) -> loop.Pace:
    """How many steps go into a dispatch: as `compile` says, else one where Python or a callback
    wants each."""
    steps = model.steps_per_execution
    python = model.run_eagerly or users is not None
    if steps == "auto" and (python or calls.needs_batches(mode)):
        steps = 1
    return loop.Pace(steps)


def _evaluate(
    model: Trainer, feed: Any, calls: Any, pace: Any, check: Any, users: Any
) -> dict[str, float]:
    model.reset_metrics()
    model.stop_evaluating = False
    calls.on_test_begin()
    result, _ = loop.run(
        users or _program(model, "test", looped=True),
        feed,
        feed.epoch(None, pace),
        pace,
        calls.on_test_batch_begin,
        calls.on_test_batch_end,
        lambda: model.stop_evaluating,
        check,
    )
    logs = as_floats(result)
    calls.on_test_end(logs)
    return logs


def _as_list(model: Trainer, logs: dict[str, Any]) -> Any:
    """Logs in the order of the metrics; a single one alone."""
    ordered = ["loss"] if "loss" in logs else []
    interpreted = _interpreted(model, _program(model, "test", looped=False))
    if interpreted is not None:
        with Scope():
            known = model.get_metrics_result()
    else:
        known, _ = discover(model.get_metrics_result, ())  # for the names: nothing is computed
    ordered += [name for name in known if name in logs and name != "loss"]
    ordered += [name for name in logs if name not in ordered]
    values = [logs[name] for name in ordered]
    return values[0] if len(values) == 1 else values


def _on_batch(model: Trainer, kind: str, batch: Any, return_dict: bool) -> Any:
    model.reset_metrics()
    program = _program(model, kind, looped=False)
    if _interpreted(model, program) is not None:
        _prepare(model, kind, program, lambda: batch)
    users = _users_function(model, kind)
    with loop.interruptible():
        logs = as_floats(users.on_each([batch])[-1] if users else program(batch))
    return logs if return_dict else _as_list(model, logs)


def _predict_batches(feed: Any, steps: int | None) -> Any:
    """The batches of a feed, one per step."""
    if isinstance(feed, adapters.ArrayFeed):
        for start in range(0, feed.size, feed.batch_size)[:steps]:
            rows = slice(start, start + feed.batch_size)
            yield as_tensors(tree.map(lambda a, rows=rows: a[rows], feed.arrays))
        return
    for (arrays, _, _), _ in feed.epoch():
        yield arrays


def _check_counts(
    model: Trainer, epochs: Any, first: Any, steps: Any, steps_after: Any, frequency: Any
) -> None:
    """The arguments of `fit` that say how often.

    Raises:
        ValueError: for one that is no number, or too small.
    """
    checks.integer(model, "epochs", epochs, 0)
    checks.integer(model, "initial_epoch", first, 0)
    for name, value in (("steps_per_epoch", steps), ("validation_steps", steps_after)):
        if value is not None:
            checks.integer(model, name, value, 1)
    several = isinstance(frequency, (list, tuple, set, range))
    if not several and not (checks.is_int(frequency) and frequency >= 1):
        raise ValueError(
            f"Expected `validation_freq` to be a list or int, at least 1, got {frequency!r}"
        )


def _within_limit(feed: Any, steps: int | None) -> int | None:
    """The number of steps to run of a feed, None for all, within the limit of the settings, which
    the feed heeds from now on."""
    given = steps or feed.steps
    limited = config.limited("steps_per_epoch", given)
    if limited == given:
        return steps
    if isinstance(feed, adapters.ArrayFeed):
        feed.limit = limited
    else:
        feed.steps = limited
    return limited


def _due(frequency: int | list[int], epoch: int) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _inputs(data: Any) -> tuple:
    return unpack_x_y_sample_weight(data)[:1]


def _batch_size(x: Any) -> Any:
    return ops.shape(tree.leaves(x)[0])[0]


def _mean(name: str) -> Any:
    return metrics.Mean(name=name)
