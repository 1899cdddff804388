"""The loss and the metrics of `compile`, matched to the outputs of a model.

What a user gives for several outputs (losses, factors, metrics, targets, weights) is a list in
their order, a dict by their names, a tree in the form of the outputs, or one thing for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tricorn import losses, metrics, naming, ops, tree
from tricorn.conventions import MODERN, Conventions, set_conventions
from tricorn.graph.symbolic import is_symbolic


class Output(NamedTuple):
    """One output of a model.

    Attributes:
        path: the keys and positions that lead to it in the outputs.
        tensor: the predictions.
        name: its key in a dict of outputs, the name of the layer that gives it in a graph, or None.
    """

    path: tuple
    tensor: Any
    name: str | None

    @property
    def shown(self) -> str:
        """What errors call it."""
        return repr(self.name) if self.name is not None else f"at {list(self.path)}"

    def label(self, loss: Any) -> str:
        """What the logs call the output's loss: the way to it, and its name or the loss's."""
        path = self.path
        if not path or isinstance(path[-1], int):
            path = (*path[:-1], self.name or loss.name)
        return "/".join(map(str, path))


def outputs_of(y_pred: Any, names: list[str] | None) -> list[Output]:
    """The outputs in order.

    Args:
        y_pred: tree of predictions.
        names: those of a graph's outputs, or None.
    """
    found = tree.paths(y_pred)
    if isinstance(y_pred, dict) and all(len(path) == 1 for path, _ in found):
        return [Output(path, tensor, str(path[0])) for path, tensor in found]
    given: list = list(names) if names and len(names) == len(found) else [None] * len(found)
    return [Output(path, tensor, name) for (path, tensor), name in zip(found, given)]


def _is_tree(x: Any) -> bool:
    return isinstance(x, (dict, list, tuple))


def per_output(given: Any, outputs: list[Output], what: str) -> list:
    """One entry of `given` for each output.

    Raises:
        ValueError: for unknown names, a wrong number, or another structure.
    """
    if not _is_tree(given):
        return [given] * len(outputs)
    names = [output.name for output in outputs]
    if isinstance(given, dict) and set(given) <= set(names):
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)) and len(given) == len(outputs):
        return list(given)
    try:
        if len(given) != len({output.path[:1] for output in outputs}):
            raise LookupError
        return [_along(given, output.path) for output in outputs]
    except LookupError:
        known = "" if None in names else f" ({names})"
        if isinstance(given, dict):
            problem = f"the keys {sorted(map(str, given))}"
        else:
            problem = f"{len(given)} entries"
        raise ValueError(
            f"{what} has {problem}, the model has {len(outputs)} outputs{known}; give one entry "
            "for each in a list, a dict by their names, or the structure of the outputs"
        ) from None


def _along(given: Any, path: tuple) -> Any:
    """The part of `given` at a path; what is no list or dict on the way is for all below it.

    Raises:
        LookupError: when there is none.
    """
    for key in path:
        if not _is_tree(given):
            return given
        if isinstance(given, dict) is isinstance(key, int):
            raise LookupError
        given = given[key]
    if isinstance(given, dict):
        raise LookupError
    return given


def targets_of(
    y_true: Any, outputs: list[Output], what: str = "y", needed: list[bool] | None = None
) -> list:
    """The targets of each output, in order.

    Args:
        y_true: tree of arrays.
        outputs: of the model.
        what: the argument's name, for errors.
        needed: which outputs have a loss: the targets may be given for these alone.

    Raises:
        ValueError: when they do not match the outputs.
    """
    if y_true is None:
        return [None] * len(outputs)
    leaves = tree.leaves(y_true)
    if len(leaves) == 1 and (len(outputs) == 1 or what == "sample_weight"):
        return leaves * len(outputs)
    if needed is not None and len(leaves) == sum(needed) < len(outputs):
        if not _is_tree(y_true) or (not isinstance(y_true, dict) and len(y_true) != len(outputs)):
            rest = iter(leaves)
            return [next(rest) if one else None for one in needed]
    if not _is_tree(y_true):
        known = [output.name for output in outputs]
        raise ValueError(f"{what} has 1 array, the model has {len(outputs)} outputs ({known})")
    return per_output(y_true, outputs, what)


class LossTerms:
    """The losses of `compile`.

    Args:
        loss: name, function, `Loss`, or list, dict or tree of them by output.
        loss_weights: number, or list, dict or tree of numbers by output.
        names: the names of a graph's outputs, or None.
        conventions: those that the losses follow.

    Attributes:
        trackers: running means of the losses, when there are several.
    """

    def __init__(
        self, loss: Any, loss_weights: Any = None, names: list | None = None,
        conventions: Conventions = MODERN,
    ) -> None:  # fmt: skip
        self.given, self.weights, self.names = loss, loss_weights, names
        self.conventions = conventions
        self.trackers: list[Any] = []
        #: (index of the output, its loss, factor or None)
        self._terms: list[tuple[int, Any, Any]] | None = None

    def needed(self, outputs: list[Output]) -> list[bool]:
        """Which outputs have a loss."""
        return [loss is not None for loss in self._chosen(outputs)]

    def _chosen(self, outputs: list[Output]) -> list:
        given = self.given
        if _is_tree(given) and len(outputs) == 1 and len(tree.leaves(given)) == 1:
            names = (outputs[0].name, *outputs[0].path, None)
            if not isinstance(given, dict) or outputs[0].name is None or set(given) <= set(names):
                return tree.leaves(given)
        return per_output(given, outputs, "loss")

    def _resolve(self, outputs: list[Output], targets: list, y_pred: Any) -> list:
        weights = per_output(self.weights, outputs, "loss_weights")
        if any(w is not None and not isinstance(w, (int, float)) for w in weights):
            raise ValueError(f"loss_weights must be numbers, got {self.weights!r}")
        terms = [
            (index, _as_loss(loss, targets[index], outputs[index].tensor), weights[index])
            for index, loss in enumerate(self._chosen(outputs))
            if loss is not None
        ]
        if self.conventions is not MODERN:
            for _, loss, _ in terms:
                set_conventions(loss, self.conventions)
        if isinstance(self.given, dict) and isinstance(y_pred, dict):
            given = [path for path, _ in _paths_as_given(self.given)]
            terms.sort(key=lambda term: _place(given, outputs[term[0]].path))
        if len(terms) > 1 and not self.trackers:
            labels = distinct([outputs[index].label(loss) + "_loss" for index, loss, _ in terms])
            self.trackers = [metrics.Mean(name=label) for label in labels]
        return terms

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The total, or None when no output has a loss."""
        outputs = outputs_of(y_pred, self.names)
        needed = self.needed(outputs)
        if y_true is None and any(needed):
            raise ValueError(
                "the loss needs targets y, none were given; if the model adds its own losses "
                "(add_loss), compile it without loss"
            )
        targets = targets_of(y_true, outputs, needed=needed)
        for output, target, one in zip(outputs, targets, needed):
            if one and target is None:
                raise ValueError(f"the output {output.shown} has a loss, but no targets were given")
        weights = targets_of(sample_weight, outputs, "sample_weight", needed)
        if self._terms is None:
            self._terms = self._resolve(outputs, targets, y_pred)
        total = None
        for position, (index, loss, factor) in enumerate(self._terms):
            pred = outputs[index].tensor
            _check_batches(outputs[index], targets[index])
            value = loss(targets[index], pred, weights[index])
            if self.trackers and not is_symbolic(value):
                size = _batch_size(pred) if self.conventions.logged_losses == "samples" else None
                self.trackers[position].update_state(value, sample_weight=size)
            if factor is not None:
                value = value * factor
            total = value if total is None else total + value
        return total


def _paths_as_given(given: Any, prefix: tuple = ()) -> list[tuple[tuple, Any]]:
    """(path, leaf) pairs in the order that dicts were written in."""
    if not _is_tree(given):
        return [(prefix, given)]
    items = given.items() if isinstance(given, dict) else enumerate(given)
    return [pair for key, child in items for pair in _paths_as_given(child, (*prefix, key))]


def _place(given: list[tuple], path: tuple) -> int:
    """Where the entry stands that is for the output at `path`."""
    return next(i for i, one in enumerate(given) if one == path[: len(one)])


def distinct(names: list[str]) -> list[str]:
    """`names`, with numbers after those that came before."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        count = counts[name] = counts.get(name, -1) + 1
        found.append(f"{name}_{count}" if count else name)
    return found


def _as_loss(given: Any, target: Any, pred: Any) -> Any:
    """A `Loss` (called with targets, predictions and weights)."""
    if is_crossentropy(given):
        found: Any = metrics.resolve_accuracy(tuple(target.shape), tuple(pred.shape), True)
    else:
        found = losses.get(given)
    if isinstance(found, losses.Loss):
        return found
    return losses.LossFunctionWrapper(found, name=_name_of(given, found))


def is_crossentropy(given: Any) -> bool:
    """Whether a loss is the one that targets and outputs decide."""
    return isinstance(given, str) and given.lower() in ("crossentropy", "ce")


def _name_of(given: Any, found: Any) -> str:
    """The name of a loss or metric: as it was given, or that of the function or object."""
    if isinstance(given, str):
        return given
    name = getattr(found, "name", None)
    return name or naming.snake_case(getattr(found, "__name__", type(found).__name__))


def _check_batches(output: Output, target: Any) -> None:
    """Batch axes must agree; the loss itself checks the rest."""
    t, p = tuple(target.shape), tuple(output.tensor.shape)
    if t and p and None not in (t[0], p[0]) and t[0] != p[0]:
        raise ValueError(
            f"the output {output.shown} has {p[0]} predictions (shape {p}) for {t[0]} targets "
            f"(shape {t})"
        )


def _batch_size(x: Any) -> Any:
    return ops.shape(x)[0]


class MetricTerms(metrics.Metric):
    """The metrics of `compile` as one, whose result is a dict.  Each entry is resolved when shapes
    are known, at the first batch.

    Args:
        given: list of metrics (names, functions, `Metric` objects) for one output, or list, dict or
            tree of lists by output.
        weighted: likewise, for metrics that use sample weights.
        names: the names of a graph's outputs, or None.
        needed: tells which outputs have a loss, see `LossTerms.needed`.
        conventions: those that the metrics follow.
    """

    def __init__(
        self, given: Any, weighted: Any = None, names: list | None = None,
        needed: Callable[[list[Output]], list[bool]] | None = None,
        conventions: Conventions = MODERN,
    ) -> None:  # fmt: skip
        super().__init__(name="compile_metrics")
        self.conventions = conventions
        self.given, self.weighted, self.names, self.needed = given, weighted, names, needed
        #: (index of the output, metric, its name in the logs); those that use weights
        self._plain: list[tuple[int, Any, str]] | None = None
        self._weighted: list[tuple[int, Any, str]] = []

    @property
    def _rows(self) -> list[tuple[int, Any, str]]:
        rows = [*(self._plain or ()), *self._weighted]
        by_output = self.conventions.metric_names != "given"
        return sorted(rows, key=lambda row: row[0]) if by_output else rows

    @property
    def metrics(self) -> list:
        """The resolved `Metric` objects."""
        return [metric for _, metric, _ in self._rows]

    @property
    def labels(self) -> list[str]:
        """What the logs call them."""
        return [label for *_, label in self._rows]

    def _resolve(self, outputs: list[Output], targets: list) -> None:
        several = len(outputs) > 1
        taken: dict[str, int] = {}

        def rows(given: Any, what: str) -> list[tuple[int, Any, str]]:
            found = []
            for index, chosen in enumerate(_metric_lists(given, outputs, what, self.conventions)):
                output, target = outputs[index], targets[index]
                if chosen and target is None:
                    raise ValueError(
                        f"the output {output.shown} has metrics, but no targets were given"
                    )
                prefix = f"{output.name}_" if several and output.name else ""
                made = []
                for one in chosen:
                    metric = _as_metric(one, target, output.tensor)
                    if self.conventions is not MODERN:
                        set_conventions(metric, self.conventions)
                        metric.name = _older_name(one, metric, self.conventions)
                    made.append(metric)
                if self.conventions.metric_names == "numbered":
                    made = list({metric.name: metric for metric in made}.values())
                for metric in made:
                    label = f"{prefix}{metric.name}"
                    names = self.conventions.metric_names
                    clash = names == "functions" or (names != "numbered" and label in taken)
                    if clash and what == "weighted_metrics":
                        label = f"{prefix}weighted_{metric.name}"
                    count = taken[label] = taken.get(label, -1) + 1
                    found.append((index, metric, f"{label}_{count}" if count else label))
            return found

        plain = rows(self.given, "metrics")
        self._plain, self._weighted = plain, rows(self.weighted, "weighted_metrics")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Let the metrics see a batch."""
        if not self.given and not self.weighted:
            return
        outputs = outputs_of(y_pred, self.names)
        needed = self.needed(outputs) if self.needed is not None else None
        targets = targets_of(y_true, outputs, needed=needed)
        if self._plain is None:
            self._resolve(outputs, targets)
        assert self._plain is not None
        for index, metric, _ in self._plain:
            metric.update_state(targets[index], outputs[index].tensor)
        weights = targets_of(sample_weight, outputs, "sample_weight", needed)
        for index, metric, _ in self._weighted:
            metric.update_state(targets[index], outputs[index].tensor, sample_weight=weights[index])

    def result(self) -> dict[str, Any]:
        """name -> value; with several outputs the names begin with the output's."""
        found: dict[str, Any] = {}
        for label, metric in zip(self.labels, self.metrics):
            value = metric.result()
            if isinstance(value, dict):
                prefix = label.removesuffix(metric.name)
                found.update({f"{prefix}{name}": one for name, one in value.items()})
            else:
                found[label] = value
        return found

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()


def _older_name(given: Any, metric: Any, conventions: Conventions) -> str:
    """What a metric was called: by the name of its function, where that was so."""
    if conventions.metric_names != "functions" or not isinstance(given, str):
        return metric.name
    if given.lower() in ("accuracy", "acc"):
        return "acc"
    found = metrics.get(given)
    return str(getattr(found, "__name__", getattr(getattr(found, "_fn", None), "__name__", given)))


def _metric_lists(
    given: Any, outputs: list[Output], what: str, conventions: Conventions
) -> list[list]:
    """The metrics of each output.  In older versions a list without lists was for all of them."""
    if given is None:
        return [[] for _ in outputs]
    if len(outputs) == 1:
        if isinstance(given, dict):
            chosen = [_of_single(given, outputs[0], what)]
        else:
            chosen = [given]
    elif isinstance(given, (list, tuple)) and not _is_structured(given, outputs, conventions):
        chosen = [given] * len(outputs)
    else:
        chosen = per_output(given, outputs, what)
    return [_flat(one) for one in chosen]


def _of_single(given: dict, output: Output, what: str) -> Any:
    """The entry for the only output, whose name may be unknown."""
    if output.name is None and len(given) == 1:
        return next(iter(given.values()))
    return per_output(given, [output], what)[0]


def _is_structured(given: Any, outputs: list[Output], conventions: Conventions) -> bool:
    """Whether a list of metrics is by output, and not one list for all of them."""
    if len(given) == len(outputs) and conventions is MODERN:
        return True
    return any(_is_tree(one) for one in given)


def _flat(given: Any) -> list:
    """Metrics in nested lists, as one list."""
    if isinstance(given, (list, tuple)):
        return [metric for one in given for metric in _flat(one)]
    return [] if given is None else [given]


def _as_metric(given: Any, target: Any, pred: Any) -> Any:
    if isinstance(given, metrics.Metric):
        return given
    short = {"accuracy": False, "acc": False, "crossentropy": True, "ce": True}
    if isinstance(given, str) and given.lower() in short:
        less = short[given.lower()]
        fn = metrics.resolve_accuracy(tuple(target.shape), tuple(pred.shape), less)
        made = metrics.MeanMetricWrapper(fn, name=given)
        made._direction = "down" if less else "up"
        return made
    found = metrics.get(given)
    if isinstance(found, metrics.Metric):
        if isinstance(given, str) and getattr(found, "name", given) != given:
            found.name = given
        return found
    if isinstance(found, losses.Loss):
        return metrics.MeanMetricWrapper(found.call, name=found.name)
    return metrics.MeanMetricWrapper(found, name=_name_of(given, found))
