"""The loss and the metrics of `compile`, matched to the outputs of a model."""

from __future__ import annotations

from typing import Any

from tricorn import losses, metrics, ops, tree
from tricorn.graph.calls import get_mask


def outputs_of(y_pred: Any, names: list[str] | None) -> list[tuple[str | None, Any]]:
    """(name, tensor) of each output: a dict's keys, else the model's output names."""
    if isinstance(y_pred, dict):
        return [(str(key), y_pred[key]) for key in sorted(y_pred)]
    leaves = tree.leaves(y_pred)
    if names is None or len(names) != len(leaves):
        names = [f"output_{i}" for i in range(len(leaves))]
    return list(zip(names, leaves))


def per_output(given: Any, outputs: list, what: str) -> list:
    """One entry of `given` for each output: a dict by name, a list in order, or one for all.

    Raises:
        ValueError: for unknown names or a wrong number.
    """
    names = [name for name, _ in outputs]
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"{what} has the keys {unknown}, the model's outputs are {names}")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(outputs):
            raise ValueError(
                f"{what} has {len(given)} entries, the model has {len(outputs)} outputs ({names})"
            )
        return list(given)
    return [given] * len(outputs)


def targets_of(y_true: Any, outputs: list, what: str = "y") -> list:
    """The targets of each output, in order.

    Raises:
        ValueError: when they do not match the outputs.
    """
    if y_true is None:
        return [None] * len(outputs)
    if isinstance(y_true, dict):
        return per_output(y_true, outputs, what)
    if isinstance(y_true, (list, tuple)) or len(outputs) > 1:
        leaves = tree.leaves(y_true)
        if len(leaves) == 1 and what == "sample_weight":
            return leaves * len(outputs)
        if len(leaves) != len(outputs):
            raise ValueError(
                f"{what} has {len(leaves)} arrays, the model has {len(outputs)} outputs "
                f"({[name for name, _ in outputs]})"
            )
        return leaves
    return [y_true]


class LossTerms:
    """The losses of `compile`.

    Args:
        loss: name, function, `Loss`, or list or dict of them by output.
        loss_weights: number, or list or dict of numbers by output.
    """

    def __init__(self, loss: Any, loss_weights: Any = None) -> None:
        self.given, self.weights = loss, loss_weights
        #: running mean of each output's loss, when there are several
        self.trackers: list[Any] = []
        self._terms: list | None = None

    def _resolve(self, outputs: list) -> None:
        given = self.given
        if isinstance(given, (list, tuple)) and len(outputs) == 1 and len(given) == 1:
            given = given[0]
        chosen = per_output(given, outputs, "loss")
        weights = per_output(self.weights, outputs, "loss_weights")
        if any(w is not None and not isinstance(w, (int, float)) for w in weights):
            raise ValueError(f"loss_weights must be numbers, got {self.weights!r}")
        self._terms = [(_as_loss(c), w) for c, w in zip(chosen, weights)]
        if len(outputs) > 1 and not self.trackers:
            self.trackers = [metrics.Mean(name=f"{name}_loss") for name, _ in outputs]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any, names: Any) -> Any:
        """The total, or None when no output has a loss."""
        outputs = outputs_of(y_pred, names)
        if self._terms is None:
            self._resolve(outputs)
        assert self._terms is not None
        if y_true is None and any(fn is not None for fn, _ in self._terms):
            raise ValueError(
                "the loss needs targets y, none were given; if the model adds its own losses "
                "(add_loss), compile it without loss"
            )
        total = None
        targets = targets_of(y_true, outputs)
        weights = targets_of(sample_weight, outputs, "sample_weight")
        rows = zip(self._terms, outputs, targets, weights)
        for index, ((fn, factor), (name, pred), target, weight) in enumerate(rows):
            if fn is None:
                continue
            if target is None:
                raise ValueError(f"the output {name!r} has a loss, but no targets were given")
            _check_shapes(name, target, pred, fn)
            value = fn(target, pred, weight, mask=get_mask(pred))
            if self.trackers:
                self.trackers[index].update_state(value, sample_weight=_batch_size(pred))
            if factor is not None:
                value = value * factor
            total = value if total is None else total + value
        return total


def _as_loss(given: Any) -> Any:
    """A `Loss` (called with targets, predictions, weights and mask), or None."""
    found = losses.get(given)
    if found is None or isinstance(found, losses.Loss):
        return found
    return losses.LossFunctionWrapper(found, name=getattr(found, "__name__", "loss"))


def _check_shapes(name: Any, target: Any, pred: Any, fn: Any) -> None:
    """Batch axes must agree; the loss itself checks the rest."""
    t, p = tuple(target.shape), tuple(pred.shape)
    if t and p and None not in (t[0], p[0]) and t[0] != p[0]:
        raise ValueError(
            f"the output {name!r} has {p[0]} predictions (shape {p}) for {t[0]} targets (shape {t})"
        )


def _batch_size(x: Any) -> Any:
    return ops.shape(x)[0]


class MetricTerms:
    """The metrics of `compile`; each entry is resolved when shapes are known.

    Args:
        given: list of metrics (names, functions, `Metric` objects) for one output, or list or dict
            of lists by output.
        weighted: likewise, for metrics that use sample weights.
    """

    def __init__(self, given: Any, weighted: Any = None) -> None:
        self.given, self.weighted = given, weighted
        self._rows: list | None = None

    @property
    def metrics(self) -> list:
        """The resolved `Metric` objects."""
        return [metric for row in self._rows or () for metric, _ in row[1]]

    def _resolve(self, outputs: list, targets: list) -> None:
        plain = _metric_lists(self.given, outputs, "metrics")
        weighted = _metric_lists(self.weighted, outputs, "weighted_metrics")
        rows = []
        for (name, pred), target, some, others in zip(outputs, targets, plain, weighted):
            if target is None and (some or others):
                raise ValueError(f"the output {name!r} has metrics, but no targets were given")
            label = name if len(outputs) > 1 else None
            rows.append(
                (
                    label,
                    [(_as_metric(m, target, pred), False) for m in some]
                    + [(_as_metric(m, target, pred), True) for m in others],
                )
            )
        self._rows = rows

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any, names: Any) -> None:
        """Let the metrics see a batch."""
        if not self.given and not self.weighted:
            return
        outputs = outputs_of(y_pred, names)
        targets = targets_of(y_true, outputs)
        if self._rows is None:
            self._resolve(outputs, targets)
        assert self._rows is not None
        weights = targets_of(sample_weight, outputs, "sample_weight")
        for (_, row), (_, pred), target, weight in zip(self._rows, outputs, targets, weights):
            for metric, uses_weights in row:
                metric.update_state(target, pred, sample_weight=weight if uses_weights else None)

    def results(self) -> dict[str, Any]:
        """name -> value; with several outputs the names begin with the output's."""
        found: dict[str, Any] = {}
        for label, row in self._rows or ():
            for metric, _ in row:
                value = metric.result()
                values = value if isinstance(value, dict) else {metric.name: value}
                for name, one in values.items():
                    key = name if label is None else f"{label}_{name}"
                    while key in found:
                        key = _next_name(key)
                    found[key] = one
        return found


def _next_name(key: str) -> str:
    head, _, tail = key.rpartition("_")
    return f"{head}_{int(tail) + 1}" if tail.isdigit() and head else f"{key}_1"


def _metric_lists(given: Any, outputs: list, what: str) -> list[list]:
    if given is None:
        return [[] for _ in outputs]
    if isinstance(given, dict) or (
        isinstance(given, (list, tuple))
        and len(outputs) > 1
        and len(given) == len(outputs)
        and all(g is None or isinstance(g, (list, tuple)) for g in given)
    ):
        chosen = per_output(given, outputs, what)
    elif len(outputs) == 1 and isinstance(given, (list, tuple)) and len(given) == 1:
        chosen = list(given) if isinstance(given[0], (list, tuple)) else [given]
    elif len(outputs) > 1 and isinstance(given, (list, tuple)) and len(given) == len(outputs):
        chosen = list(given)
    else:
        chosen = [given] * len(outputs)
    return [[] if c is None else list(c) if isinstance(c, (list, tuple)) else [c] for c in chosen]


def _as_metric(given: Any, target: Any, pred: Any) -> Any:
    if isinstance(given, metrics.Metric):
        return given
    short = {"accuracy": False, "acc": False, "crossentropy": True, "ce": True}
    if isinstance(given, str) and given in short:
        fn = metrics.resolve_accuracy(tuple(target.shape), tuple(pred.shape), short[given])
        made = metrics.MeanMetricWrapper(fn, name=given)
        made._direction = "down" if short[given] else "up"
        return made
    found = metrics.get(given)
    if isinstance(found, metrics.Metric):
        if isinstance(given, str) and getattr(found, "name", given) != given:
            found.name = given
        return found
    if isinstance(found, losses.Loss):
        return metrics.MeanMetricWrapper(found.call, name=found.name)
    name = given if isinstance(given, str) else getattr(found, "__name__", "metric")
    return metrics.MeanMetricWrapper(found, name=name)
