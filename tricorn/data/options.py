"""Options of datasets."""

from __future__ import annotations

from typing import Any

#: the options, and those of each group
_NAMES = (
    "dataset_name deterministic experimental_deterministic experimental_external_state_policy "
    "experimental_slack experimental_symbolic_checkpoint experimental_warm_start framework_type"
)
_THREADS = "max_intra_op_parallelism private_threadpool_size"
_GROUPS = {
    "autotune": "autotune_algorithm cpu_budget enabled initial_parallelism min_parallelism "
    "ram_budget",
    "experimental_distribute": "auto_shard_policy num_devices",
    "experimental_optimization": "apply_default_optimizations filter_fusion filter_parallelization "
    "inject_prefetch map_and_batch_fusion map_and_filter_fusion map_fusion map_parallelization "
    "noop_elimination parallel_batch seq_interleave_prefetch shuffle_and_repeat_fusion",
    "experimental_service": "pinned",
    "experimental_threading": _THREADS,
    "threading": _THREADS,
}


class _Group:
    """Attributes of some names, None at first."""

    def __init__(self, names: str) -> None:
        vars(self).update(dict.fromkeys(names.split()))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self):
            raise AttributeError(f"there is no option {name!r}; there are {', '.join(vars(self))}")
        vars(self)[name] = value

    def __repr__(self) -> str:
        given = (f" {name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"<options{''.join(given)}>"

    def _update(self, other: Any) -> None:
        for name, value in vars(other).items():
            if isinstance(value, _Group):
                vars(self)[name]._update(value)
            elif value is not None:
                setattr(self, name, value)


class Options(_Group):
    """TensorFlow's options of datasets, for programs that set them.  They are kept and have no
    effect: the order is always that of the data, and how many threads there are is said where they
    are asked for.

    Example:
        >>> options = keras.data.Options()
        >>> options.threading.private_threadpool_size = 4
        >>> keras.data.Dataset.range(3).with_options(options).options().threading
        <options private_threadpool_size=4>
    """

    def __init__(self) -> None:
        super().__init__(_NAMES)
        vars(self).update({name: _Group(names) for name, names in _GROUPS.items()})

    def merge(self, options: Any) -> Options:
        """These options and others, which take precedence; those of TensorFlow's class are passed
        over."""
        merged = Options()
        for one in (self, options):
            if isinstance(one, Options):
                merged._update(one)
        return merged


class ThreadingOptions(_Group):
    """`Options.threading`, by itself.

    Example:
        >>> options = keras.data.Options()
        >>> options.threading = keras.data.ThreadingOptions()
    """

    def __init__(self) -> None:
        super().__init__(_THREADS)
