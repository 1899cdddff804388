"""How the JAX engine compiles: compiler options, what may loop, and the cache between processes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import stat
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
from jax.extend import core as jex

from tricorn.engines.jax.private import ArrayImpl, JVPTrace, trace_ctx, trace_state_clean

# XLA's CPU compiler hands convolutions and products to the YNNPACK library, which is slow for
# training shapes: a 26x26x32 to 64 convolution, batch 128, takes 50 ms with it and 18 without,
# and no training measured gains by it (an LSTM's step: 15.8 ms with, 13.5 without). What takes no
# derivative does, as `predict` (dense layers: 1.3 times the samples), but for convolutions in loops
# (a ConvLSTM: 27 ms a batch without it, 52 with) and for those that are matrix products (a CNN: 122
# ms; 33 without it, 25 with it and XLA's convolutions).
# One of the other passes takes optimization barriers away before XLA decides what to fuse; the
# other makes one kernel of a small loop, in which XLA cannot compile them (it aborts the process).
LIBRARY, BARRIERS = "xla_cpu_experimental_ynn_fusion_type", "xla_disable_hlo_passes"
_CPU_OPTIONS = {LIBRARY: "", BARRIERS: "cse_barrier_expander,small-while-loop-hoisting"}

# What XLA's CPU compiler runs as naive code inside its loops: a convolution's training step that
# takes 15 ms alone takes 620 in a fori_loop. As a matrix product (kernels' im2col) it takes 13, and
# by oneDNN (onednn.py) what it takes alone.
_NOT_IN_LOOPS = frozenset({"conv_general_dilated"})
_LOOPS = frozenset({"scan", "while"})

#: in the names of what makes a convolution a product of patches, or one of groups
PATCHES, GROUPS = "tricorn_patches", "tricorn_groups"

_MAX_CACHE_BYTES = 2 << 30


@functools.cache
def compiler_options(without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options every function of the engine is compiled with on the default platform, but for
    those of some names."""
    if jax.default_backend() != "cpu":
        return {}
    options = {name: value for name, value in _CPU_OPTIONS.items() if name not in without}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0).compile()
    except Exception:  # a jaxlib that does not know the option
        return {}
    return options


def jit(
    fn: Callable[..., Any],
    *,
    donate_argnums: int | Sequence[int] = (),
    static_argnums: int | Sequence[int] = (),
    without: tuple[str, ...] = (),
) -> Any:
    """``jax.jit`` with the engine's compiler options, but for those named in `without`."""
    return jax.jit(
        fn,
        donate_argnums=donate_argnums,
        static_argnums=static_argnums,
        compiler_options=compiler_options(without) or None,
    )


def is_eager() -> bool:
    """Whether arrays have values here: outside of every trace but those of tapes."""
    return trace_state_clean() or getattr(trace_ctx.trace, "is_eager", False)


def is_forward() -> bool:
    """Whether derivatives are taken forwards here, as ``jax.jvp`` and ``jax.hessian`` do."""
    trace = trace_ctx.trace
    while trace is not None and not isinstance(trace, JVPTrace):
        trace = getattr(trace, "parent_trace", None)
    return trace is not None


#: the tapes that are open, in any thread (tape.py)
open_tapes: list[Any] = []
#: what calls a jitted function of the engine while tapes are open: (function, positions of the
#: arguments that are no tensors, arguments)
recorded_call: Callable[[Callable, tuple[int, ...], tuple], Any]

_constant_captures: ContextVar[bool] = ContextVar("constant_captures", default=False)
#: whether functions with gradients of their own may close over what a tape watches
captures_are_constant = _constant_captures.get


@contextlib.contextmanager
def constant_captures() -> Iterator[None]:
    """A block in which they may: those arrays get no gradient by such a function."""
    token = _constant_captures.set(True)
    try:
        yield
    finally:
        _constant_captures.reset(token)


def loopable(jaxpr: Any, arguments: Any = ()) -> bool:
    """Whether a computation keeps its speed inside ``lax.fori_loop`` on the default platform, with
    these arguments."""
    if jax.default_backend() != "cpu":
        return True
    slow = _NOT_IN_LOOPS
    arrays = (x for x in jax.tree.leaves(arguments) if isinstance(x, ArrayImpl))
    if any(len(x.devices()) > 1 for x in arrays):
        slow |= {"tricorn_conv"}  # which is XLA's convolution there (onednn.py)
    return not any(eqn.primitive.name in slow for eqn in equations(jaxpr))


def derives(jaxpr: Any) -> bool:
    """Whether a computation contains a derivative: JAX says so in the names of its parts."""
    return _names(jaxpr, "jvp(")


def convolves(jaxpr: Any) -> bool:
    """Whether there are convolutions by XLA, or as products of patches."""
    return any(eqn.primitive.name in _NOT_IN_LOOPS for eqn in equations(jaxpr)) or (
        _names(jaxpr, PATCHES)
    )


def goes_forward(jaxpr: Any) -> bool:
    """Whether a computation is to have the kernels for no derivatives: of convolutions, if none
    is of groups (a depthwise-separable CNN: 21 ms a batch without them, 75 with)."""
    plain = derives(jaxpr) or not convolves(jaxpr) or _names(jaxpr, GROUPS)
    return jax.default_backend() == "cpu" and not plain


def _names(jaxpr: Any, part: str) -> bool:
    return any(part in str(eqn.source_info.name_stack) for eqn in equations(jaxpr))


def unneeded(jaxpr: Any) -> tuple[str, ...]:
    """The options that a computation is to be compiled without."""
    names = {eqn.primitive.name for eqn in equations(jaxpr)}
    found = () if "optimization_barrier" in names else (BARRIERS,)
    loops = (eqn for eqn in equations(jaxpr) if eqn.primitive.name in _LOOPS)
    bodies = (body for loop in loops for body in loop.params.values() if _is_jaxpr(body))
    slow = derives(jaxpr) or any(_names(jaxpr, name) for name in (PATCHES, GROUPS))
    slow = slow or any(map(convolves, bodies))
    return found if slow else (*found, LIBRARY)


def equations(jaxpr: Any) -> Iterator[Any]:
    """The equations of a jaxpr and of those inside of it."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    for eqn in jaxpr.eqns:
        yield eqn
        for parameter in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(parameter):
                yield from equations(parameter)


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, (jex.Jaxpr, jex.ClosedJaxpr))


def enable_compilation_cache() -> Path | None:
    """Keeps compiled functions between processes, in a folder that only this user can enter.

    The folder is ``$XDG_CACHE_HOME/tricorn/jax/<processor>`` (``~/.cache`` by default), so that a
    home shared by different machines never mixes their code. A cache that the user configured, by
    ``jax.config`` or ``JAX_COMPILATION_CACHE_DIR``, stays as it is. ``TRICORN_COMPILATION_CACHE``
    set to ``0`` switches ours off; set to a path, places it there. Returns the folder in use by
    us, or None; a folder that cannot be made private or written to means no cache, silently.
    """
    setting = os.environ.get("TRICORN_COMPILATION_CACHE", "")
    if setting.lower() in ("0", "off", "false", "no"):
        return None
    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        return None
    try:
        folder = _private_folder(_cache_root(setting) / _processor())
        _prune(folder)
    except (OSError, RuntimeError):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return folder


def _cache_root(setting: str) -> Path:
    if setting and setting.lower() not in ("1", "on", "true", "yes"):
        return Path(setting).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tricorn" / "jax"


def _processor() -> str:
    import jaxlib

    facts = [platform.machine(), platform.processor(), jax.__version__, jaxlib.__version__]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts += sorted({s for s in lines if s.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _private_folder(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):  # compiled code is loaded from here: nobody else may write it
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            raise OSError(f"{folder} is not a folder of this user")
        if info.st_mode & 0o077:
            folder.chmod(0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(f"{folder} is not writable")
    return folder


def _prune(folder: Path) -> None:
    """Removes the entries longest unused until the folder is within its limit."""
    entries = [(entry.stat(), entry.path) for entry in os.scandir(folder)]
    excess = sum(info.st_size for info, _ in entries) - _MAX_CACHE_BYTES
    for info, path in sorted(entries, key=lambda e: e[0].st_mtime):
        if excess <= 0:
            break
        with contextlib.suppress(OSError):
            os.remove(path)
        excess -= info.st_size
