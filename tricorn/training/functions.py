"""The functions that `fit`, `evaluate` and `predict` run steps with where users write their own:
`make_train_function` and its like."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tricorn.training import adapters


class Batches:
    """What such a function takes batches from: an iterator, as on JAX and TensorFlow, whose
    ``[0]`` is the next batch, as on PyTorch."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._rest = iter(batches)
        self._ahead: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._ahead.pop() if self._ahead else next(self._rest)

    def __getitem__(self, index: int) -> Any:
        if index != 0:
            raise IndexError(f"only the next batch is there, [0], got [{index}]")
        return next(self)

    def left(self) -> bool:
        """Whether there is another one."""
        if not self._ahead:
            self._ahead = list(itertools.islice(self._rest, 1))
        return bool(self._ahead)

    def first(self) -> Any:
        """The next one, which stays."""
        return self._ahead[0] if self.left() else None


class StepFunction:
    """The library's own function: runs the step of a model on the next batch.

    ``function(batches)`` gives the step's result; ``function(state, batches)``, as Keras writes it
    on JAX, gives it with the state afterwards.

    Args:
        run: gives the result of one batch.
        groups: gives lists of Variables, whose values are the state.
        steps: how many batches a call takes.
    """

    def __init__(
        self, run: Callable[[Any], Any], groups: Callable[[], list[list]], steps: Any
    ) -> None:
        self.run, self.groups = run, groups
        self.steps = 1 if steps == "auto" else int(steps)

    def __call__(self, *args: Any) -> Any:
        *state, given = args
        batches = given if isinstance(given, Batches) else Batches(given)
        if state:
            for variables, values in zip(self.groups(), state[0], strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
        result = self.run(next(batches))
        for _ in range(self.steps - 1):
            if batches.left():
                result = self.run(next(batches))
        if not state:
            return result
        return result, tuple([v.value for v in variables] for variables in self.groups())


class UsersFunction:
    """A function of a user's in the place of the program that runs steps.

    Args:
        function: takes `Batches`, gives a step's result.
    """

    def __init__(self, function: Callable[[Batches], Any]) -> None:
        self.function = function

    def __call__(self, start: int, stop: int, arrays: Any, order: Any, size: int) -> Any:
        return self.on_each(
            adapters.batch_of(number, arrays, order, size) for number in range(start, stop)
        )[-1]

    def on_each(self, batches: Iterable[Any]) -> list[Any]:
        """The results of as many calls as it takes until no batch is left."""
        results, given = [], Batches(adapters.trimmed(batch) for batch in batches)
        while given.left():
            results.append(self.function(given))
        return results


def takes_state(function: Callable) -> bool:
    """Whether it is ``function(state, batches)``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return len([p for p in parameters if p.kind in places and p.default is p.empty]) == 2
