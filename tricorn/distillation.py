"""A small model learns from a large one: knowledge distillation."""

from __future__ import annotations

import functools
from typing import Any

from tricorn import losses, metrics, ops, tree
from tricorn.checks import number
from tricorn.layers.operation import serialized
from tricorn.models import Model
from tricorn.models.layer_graph import graph_of
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Configured

#: what a feature extractor calls the model's own output
_FINAL = "final_output"


def _sum(values: list) -> Any:
    """The sum of numbers that may be of several dtypes."""
    return functools.reduce(ops.add, values)


class DistillationLoss(Configured):
    """Base of these: how far a student's outputs are from its teacher's.

    A loss of your own overrides `compute_loss`.

    Attributes:
        teacher_layer_name, student_layer_name: the layers whose outputs are compared; None: the
            model's own outputs.

    Example:
        >>> class Difference(keras.distillation.DistillationLoss):
        ...     def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        ...         return keras.ops.max(keras.ops.abs(teacher_outputs - student_outputs))
    """

    teacher_layer_name: str | None = None
    student_layer_name: str | None = None

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The loss of a batch, a scalar.

        Args:
            teacher_outputs, student_outputs: tensors, or trees of them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define compute_loss")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raise ValueError for outputs that cannot be compared: trees of different structures."""
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raise ValueError for models that this loss is not for."""


class _ByOutput(DistillationLoss):
    """Base of those that compare each output by a loss of its own, and add these up.

    Args:
        loss: name, function or `Loss`, or a tree of them like the outputs; None for an output
            that does not count.
    """

    def __init__(self, loss: Any) -> None:
        self.loss = tree.map_structure(losses.get, loss)
        if all(one is None for one in tree.flatten(self.loss)):
            raise ValueError(f"{type(self).__name__}: at least one loss must be non-`None`")

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum over outputs of the mean losses."""
        parts = tree.map_structure(
            lambda loss, *pair: 0.0 if loss is None else ops.mean(self._compared(loss, *pair)),
            self.loss, teacher_outputs, student_outputs,
        )  # fmt: skip
        return _sum(tree.flatten(parts))

    def _compared(self, loss: Any, teacher: Any, student: Any) -> Any:
        return loss(teacher, student)

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raise ValueError for outputs, or losses, of different structures."""
        super().validate_outputs(teacher_outputs, student_outputs)
        try:
            tree.assert_same_structure(self.loss, teacher_outputs)
        except ValueError as error:
            raise ValueError(
                f"{type(self).__name__}: Loss structure mismatch: the losses {self.loss!r} are not "
                f"one for each of the teacher's outputs: {error}"
            ) from error

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` describes."""
        return cls(**{**config, "loss": losses.deserialize(config["loss"])})


class FeatureDistillation(_ByOutput):
    """The outputs of two layers are compared as they are.

    Args:
        loss: name, function or `Loss`, or a tree of them like the layers' outputs; None for an
            output that does not count.
        teacher_layer_name: a layer of the teacher's; None: its last output.
        student_layer_name: likewise.

    Raises:
        ValueError: for losses that are all None; by the `Distiller`, for layers that there are
            not, and for layers of models that are no graphs.

    Example:
        >>> loss = keras.distillation.FeatureDistillation("mse", "dense_1", "dense")
    """

    def __init__(
        self,
        loss: Any = "mse",
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        super().__init__(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raise ValueError for models that do not have the layers."""
        for role, model in (("teacher", teacher), ("student", student)):
            name = getattr(self, f"{role}_layer_name")
            if name is None:
                continue
            if graph_of(model) is None:
                raise ValueError(
                    f"FeatureDistillation with layer names requires Functional or Sequential "
                    f"models, and the {role} {model.name!r} is no graph of layers; leave "
                    f"{role}_layer_name out to compare its outputs"
                )
            try:
                model.get_layer(name)
            except ValueError as error:
                raise ValueError(f"In {role} model: {error}") from None


class LogitsDistillation(_ByOutput):
    """The models' logits are divided by a temperature T and compared.

    With the Kullback-Leibler divergence: ``T² · KL(softmax(t / T) ‖ softmax(s / T))``; another
    loss L: ``L(t / T, s / T)``.

    Args:
        temperature: T > 0; the higher, the more the less likely classes count.
        loss: name, function or `Loss`, or a tree of them like the outputs; None for an output
            that does not count.

    Raises:
        ValueError: for another `temperature`, and losses that are all None.

    Source: G. Hinton, O. Vinyals, J. Dean, *Distilling the Knowledge in a Neural Network* (2015).

    Example:
        >>> loss = keras.distillation.LogitsDistillation(temperature=4.0)
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        super().__init__(loss)
        self.temperature = number(self, "temperature", temperature)
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")

    def _compared(self, loss: Any, teacher: Any, student: Any) -> Any:
        pair = [ops.divide(logits, self.temperature) for logits in (teacher, student)]
        if loss is losses.kl_divergence or isinstance(loss, losses.KLDivergence):
            return self.temperature**2 * loss(*map(ops.softmax, pair))
        return loss(*pair)


class Distiller(Model):
    """A student that is trained on labels and on what its teacher gives.

    The loss is ``a · L(y, student(x)) + (1 - a) · Σ wᵢ · Dᵢ(teacher(x), student(x))``.  The teacher
    is frozen.  Calls, predictions and metrics are the student's, which is used alone afterwards.

    Args:
        teacher: a trained model.
        student: a model with inputs and outputs like the teacher's.
        distillation_losses: the Dᵢ, a `DistillationLoss` or several.
        distillation_loss_weights: the wᵢ; None: 1 each.
        student_loss_weight: a, in [0, 1]. What it makes 0 is not computed.
        name: of the model.
        kwargs: as for `Model`.

    Attributes:
        teacher, student: the models.

    Raises:
        ValueError: models that differ in shapes or dtypes of inputs or outputs; other weights.

    Source: G. Hinton, O. Vinyals, J. Dean, *Distilling the Knowledge in a Neural Network* (2015).

    Example:
        >>> teacher, student = (
        ...     keras.Sequential(
        ...         [keras.Input((4,)), keras.layers.Dense(n, "relu"), keras.layers.Dense(3)]
        ...     )
        ...     for n in (64, 8)
        ... )
        >>> distiller = keras.distillation.Distiller(
        ...     teacher, student, keras.distillation.LogitsDistillation(temperature=2.0)
        ... )
        >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> distiller.compile("adam", loss, metrics=["accuracy"])
        >>> history = distiller.fit(np.ones((8, 4)), np.zeros(8), verbose=0)
        >>> sorted(history.history)
        ['accuracy', 'distillation_loss', 'loss', 'student_loss', 'total_loss']
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Any = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_models(teacher, student)
        self.teacher, self.student = teacher, student
        self.student_loss_weight = number(self, "student_loss_weight", student_loss_weight)
        if not 0 <= student_loss_weight <= 1:
            raise ValueError(
                f"student_loss_weight must be between 0.0 and 1.0, got {student_loss_weight!r}"
            )
        if distillation_losses is None:
            raise ValueError(
                "'distillation_losses' cannot be `None`; give a DistillationLoss or a list of them"
            )
        if not isinstance(distillation_losses, (list, tuple)):
            distillation_losses = [distillation_losses]
        weights = distillation_loss_weights
        if weights is None:
            weights = [1.0] * len(distillation_losses)
        if len(weights) != len(distillation_losses):
            raise ValueError(
                f"Number of distillation_loss_weights ({len(weights)}) must match number of "
                f"distillation_losses ({len(distillation_losses)})"
            )
        self.distillation_losses = list(distillation_losses)
        self.distillation_loss_weights = list(weights)
        for loss in distillation_losses:
            loss.validate_model_compatibility(teacher, student)
        # the names by which files know them
        self._teacher_feature_extractor = self._extractor(teacher, "teacher")
        self._student_feature_extractor = self._extractor(student, "student")
        teacher.trainable = False
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def _extractor(self, model: Any, role: str) -> Any:
        """A model that gives the outputs of the layers that losses ask for; None: they ask for
        none."""
        names = {_layer(loss, role): None for loss in self.distillation_losses}
        if not (outputs := {n: model.get_layer(n).output for n in names if n != _FINAL}):
            return None
        outputs[_FINAL] = model.output
        return Model(model.input, outputs, name=f"{model.name}_multi_feature_extractor")

    def compile(  # type: ignore[override]
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Say how to train the student.

        Args:
            optimizer: name or `Optimizer`.
            loss: L: name, function or `Loss`, or a tree of them like the outputs.  It is averaged
                over the batch, without sample weights, and added up over outputs.
            metrics: list of metrics.
            kwargs: as for `Model.compile`.

        Raises:
            ValueError: without a loss.
        """
        if loss is None:
            raise ValueError("'loss' cannot be `None`")
        self._student_loss = tree.map_structure(losses.get, loss)
        super().compile(optimizer, loss=None, metrics=metrics, **kwargs)

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as data."""
        config = super().get_compile_config()
        if config is not None:
            config["loss"] = registry.serialize_keras_object(self._student_loss)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` said; Keras's files do not say the loss."""
        if config.get("loss") is not None:
            super().compile_from_config(config)

    def call(self, inputs: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """What the student gives."""
        return self.student(inputs, training=training, **kwargs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch; without `y` the student's own part is 0.

        Raises:
            ValueError: for a distillation loss that is no scalar.
        """
        if y_pred is None:
            y_pred = self(x, training=training)
        share, own, distilled = self.student_loss_weight, 0.0, 0.0
        if share > 0 and y is not None:
            parts = tree.map_structure(
                lambda loss, *pair: ops.mean(loss(*pair)), self._student_loss, y, y_pred
            )
            own = _sum(tree.flatten(parts))
        if share < 1:
            distilled = self._distilled(x, y_pred, training)
        total = _sum([ops.multiply(share, own), ops.multiply(1 - share, distilled)])
        self.student_loss_tracker.update_state(own)
        self.distillation_loss_tracker.update_state(distilled)
        self.total_loss_tracker.update_state(total)
        return total

    def _distilled(self, x: Any, y_pred: Any, training: bool) -> Any:
        """Σ wᵢ · Dᵢ."""
        if self._teacher_feature_extractor is None:
            taught = {_FINAL: self.teacher(x, training=False)}
        else:
            taught = self._teacher_feature_extractor(x, training=False)
        learnt = {}
        if self._student_feature_extractor is not None:
            learnt = self._student_feature_extractor(x, training=training)
        learnt = {**learnt, _FINAL: y_pred}
        total = 0.0
        for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights):
            pair = taught[_layer(loss, "teacher")], learnt[_layer(loss, "student")]
            loss.validate_outputs(*pair)
            value = loss.compute_loss(*pair)
            if len(getattr(value, "shape", ())):
                raise ValueError(
                    f"Distillation loss {type(loss).__name__} returned a non-scalar loss with "
                    f"shape {tuple(value.shape)}; its compute_loss must return a scalar"
                )
            total = ops.add(total, ops.multiply(weight, value))
        return total

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as data."""
        names = (
            "teacher", "student", "distillation_losses", "distillation_loss_weights",
            "student_loss_weight",
        )  # fmt: skip
        return {**super().get_config(), **{n: serialized(getattr(self, n)) for n in names}}


def _layer(loss: Any, role: str) -> str:
    """The layer of a role's model that a loss compares."""
    return getattr(loss, f"{role}_layer_name", None) or _FINAL


def _check_models(teacher: Any, student: Any) -> None:
    """Refuse what is no model, and models whose inputs or outputs differ."""
    for role, model in (("Teacher", teacher), ("Student", student)):
        if not isinstance(model, Model):
            raise ValueError(f"{role} must be a keras.Model, got {type(model)}")
    if graph_of(teacher) is None or graph_of(student) is None:
        return
    for what in ("input", "output"):
        pair = getattr(teacher, f"{what}s"), getattr(student, f"{what}s")
        if len(pair[0]) != len(pair[1]):
            raise ValueError(
                f"Teacher and student must have as many {what}s, they have "
                f"{len(pair[0])} and {len(pair[1])}"
            )
        for ours, theirs in zip(*pair):
            found = f"Teacher: {ours.shape}, {ours.dtype}. Student: {theirs.shape}, {theirs.dtype}"
            if len(ours.shape) != len(theirs.shape):
                raise ValueError(
                    f"Teacher and student {what} shapes have different dimensions. {found}"
                )
            if any(None not in (a, b) and a != b for a, b in zip(ours.shape, theirs.shape)):
                raise ValueError(f"Teacher and student {what} shapes are incompatible. {found}")
            if ours.dtype != theirs.dtype:
                raise ValueError(f"Teacher and student {what} dtypes must match. {found}")


__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]

__dir__ = lambda: list(__all__)
