"""Dtype policies: which dtype a layer computes in and which its Variables have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from tricorn import config, dtypes
from tricorn.graph import ambient

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_global: DTypePolicy | None = None
#: counts the changes of what built layers compute with: programs from before are not theirs
_changes = 0
ambient.sources["dtype_policy"] = lambda: (_global and _global.name, _changes)


def layer_changed() -> None:
    """Note that a built layer computes with other Variables from now on."""
    global _changes
    _changes += 1


class DTypePolicy:
    """The dtypes of a layer.

    Args:
        name: a dtype (``"float32"``), used for both, or ``"mixed_float16"`` or
            ``"mixed_bfloat16"``: compute in the half type, keep Variables in float32.  None: the
            global policy's.

    Attributes:
        name: as given.
        compute_dtype: dtype that inputs and Variables are cast to in ``call``.
        variable_dtype: dtype of the Variables.

    Raises:
        TypeError: the name is not a string.
        ValueError: it names no policy.

    Example:
        >>> policy = keras.DTypePolicy("mixed_float16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('float16', 'float32')
    """

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = at(dtype_policy(), None).name
        if not isinstance(name, str):
            raise TypeError(f"a dtype policy's name must be a string, got {name!r}")
        self.name: str = name
        self.variable_dtype = "float32" if name in _MIXED else _standardize(name)
        self.compute_dtype = _MIXED.get(name, self.variable_dtype)

    #: how weights are quantized, "int8" say; None: they are not
    quantization_mode: str | None = None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, DTypePolicy) and other.name == self.name
        return same and other.get_config() == self.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self.name}">'


class QuantizedDTypePolicy(DTypePolicy):
    """The dtypes of a layer with quantized weights.

    Args:
        mode: "int8", "int4" or "float8".
        source_name: the policy of what is not quantized; None: the global policy's.

    Attributes:
        quantization_mode: `mode` without the numbers that some policies have in it.

    Raises:
        ValueError: another mode; "int8" with float16, whose range is too small for its products.

    Example:
        >>> policy = keras.dtype_policies.get("int8_from_mixed_bfloat16")
        >>> policy.quantization_mode, policy.compute_dtype
        ('int8', 'bfloat16')
    """

    #: what the numbers after the mode are -> which there may be
    _numbers: tuple[tuple[str, Callable[[int], bool]], ...] = ()
    _modes: tuple[str, ...] = QUANTIZATION_MODES

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        source = at(dtype_policy(), None).name if source_name is None else source_name
        super().__init__(source)
        base, *given = str(mode).split("/")
        form = "/".join((self._modes[0], *(f"<{name}>" for name, _ in self._numbers)))
        if base not in self._modes or len(given) != len(self._numbers):
            wanted = repr(form) if self._numbers else f"one of {self._modes}"
            raise ValueError(f"Invalid quantization mode. Expected {wanted}, got mode={mode!r}")
        for (name, fits), text in zip(self._numbers, given):
            if not re.fullmatch(r"-?\d+", text) or not fits(int(text)):
                raise ValueError(f"Invalid {name} in mode={mode!r}, expected the form {form!r}")
            setattr(self, name, int(text))
        if base == "int8" and self.compute_dtype == "float16":
            raise ValueError(
                "Quantization mode='int8' doesn't work well with compute_dtype='float16': use "
                "'mixed_bfloat16' or 'float32'"
            )
        self.name, self.quantization_mode = f"{mode}_from_{source}", base
        self._config = {"mode": mode, "source_name": source}

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """The dtypes of a layer whose products are of float8.

    Args:
        mode: "float8".
        source_name: as of `QuantizedDTypePolicy`.
        amax_history_length: how many steps the largest magnitudes are kept of.

    Raises:
        ValueError, TypeError: another mode; a length that is no integer.

    Example:
        >>> keras.dtype_policies.get("float8_from_float32").amax_history_length
        1024
    """

    default_amax_history_length = 1024

    def __init__(
        self, mode: str, source_name: str | None = None, amax_history_length: int = 1024
    ) -> None:
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise TypeError(
                f"`amax_history_length` must be an integer, got {amax_history_length!r}"
            )
        self.amax_history_length = amax_history_length
        self._config["amax_history_length"] = amax_history_length  # type: ignore[assignment]


def _at_least_one(number: int) -> bool:
    """A size of groups; -1: no groups."""
    return number > 0 or number == -1


class Int4DTypePolicy(QuantizedDTypePolicy):
    """The dtypes of a layer with weights of 4 bits.

    Args:
        mode: "int4/<block_size>"; -1: no groups.
        source_name: as of `QuantizedDTypePolicy`.

    Example:
        >>> keras.dtype_policies.get("int4/32_from_float32").block_size
        32
    """

    _modes, _numbers = ("int4",), (("block_size", _at_least_one),)


class GPTQDTypePolicy(QuantizedDTypePolicy):
    """The dtypes of a layer that GPTQ quantized.

    Args:
        mode: "gptq/<weight_bits>/<group_size>", with 2, 3, 4 or 8 bits; -1: no groups.
        source_name: as of `QuantizedDTypePolicy`.

    Example:
        >>> keras.dtype_policies.get("gptq/4/128_from_float32").weight_bits
        4
    """

    _modes = ("gptq",)
    _numbers = ("weight_bits", (2, 3, 4, 8).__contains__), ("group_size", _at_least_one)


class AWQDTypePolicy(QuantizedDTypePolicy):
    """The dtypes of a layer that AWQ quantized.

    Args:
        mode: "awq/4/<group_size>"; -1: no groups.
        source_name: as of `QuantizedDTypePolicy`.

    Example:
        >>> keras.dtype_policies.get("awq/4/128_from_float32").group_size
        128
    """

    _modes = ("awq",)
    _numbers = ("weight_bits", (4,).__contains__), ("group_size", _at_least_one)


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """Policies of layers by their paths: given as the `dtype` of a layer made of layers, it is a
    policy for each of them.

    ``policies[path]`` is the policy under that very key, else that of the one key which, as a
    regular expression, matches the whole path, else the default policy.

    Args:
        default_policy: of layers for which there is no other, and of those without a path (a layer
            has one when it is built); None: the global policy.
        policy_map: dict of paths or regular expressions -> policies or their names.

    Raises:
        TypeError: `policy_map` is no dict, or a key no string.
        ValueError: a policy that there is not, a map as the default policy, a key that is no
            regular expression.

    Example:
        >>> policies = keras.dtype_policies.DTypePolicyMap("float32", {"net/block_.*": "bfloat16"})
        >>> policies["net/block_1"].name
        'bfloat16'
    """

    def __init__(self, default_policy: Any = None, policy_map: dict | None = None) -> None:
        self._default = None if default_policy is None else get(default_policy)
        if isinstance(self._default, DTypePolicyMap):
            raise ValueError("`default_policy` cannot be a `DTypePolicyMap`; give a policy")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(f"`policy_map` must be a dict, got {policy_map!r}")
        self._policies: dict[str, DTypePolicy] = {}
        for path, policy in (policy_map or {}).items():
            self[path] = policy

    @property
    def default_policy(self) -> DTypePolicy:
        if self._default is not None:
            return self._default
        plain = _global is None or isinstance(_global, DTypePolicyMap)
        return DTypePolicy(config.floatx()) if plain else dtype_policy()

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:  # type: ignore[override]
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:  # type: ignore[override]
        return self.default_policy.variable_dtype

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        keys = [key for key in self._policies if re.fullmatch(key, path)]
        if len(keys) > 1:
            raise ValueError(
                f"Path {path!r} matches multiple dtype policy specification keys: {keys}; at most "
                "one may match"
            )
        return self._policies[keys[0]] if keys else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        if not isinstance(path, str):
            raise TypeError(f"the key of a dtype policy must be a string, got {path!r}")
        if path in self._policies:
            raise ValueError(
                f"{path} already exists in the DTypePolicyMap with the value "
                f"{self._policies[path]}; delete it first"
            )
        try:
            re.compile(path)
        except re.error as error:
            raise ValueError(f"the key {path!r} is no regular expression: {error}") from None
        try:
            found = get(policy)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the policy of {path!r}: {error}") from None
        self._policies[path] = found

    def __delitem__(self, path: str) -> None:
        del self._policies[path]

    def __contains__(self, path: object) -> bool:
        return path in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def get_config(self) -> dict[str, Any]:
        return {
            "default_policy": None if self._default is None else self._default.name,
            "policy_map": {path: serialize(policy) for path, policy in self._policies.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> DTypePolicyMap:
        policies = config.get("policy_map")
        if isinstance(policies, dict):
            policies = {path: deserialize(p, custom_objects) for path, p in policies.items()}
        return cls(config.get("default_policy"), policies)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DTypePolicyMap)
            and self._default == other._default
            and self._policies == other._policies
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        policies = {path: policy.name for path, policy in self._policies.items()}
        return f'<DTypePolicyMap default_policy="{self.default_policy.name}", {policies}>'


def at(policy: DTypePolicy, path: str | None) -> DTypePolicy:
    """The policy of a layer at `path`, None: of one without a path."""
    if not isinstance(policy, DTypePolicyMap):
        return policy
    return policy.default_policy if path is None else policy[path]


#: Keras's older name
FloatDTypePolicy = DTypePolicy


def _standardize(name: str) -> str:
    try:
        return dtypes.standardize(name)
    except ValueError:
        raise ValueError(
            f"unknown dtype policy {name!r}; a policy is {', '.join(_MIXED)} or a dtype such as "
            "'float32'"
        ) from None


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none: the one set, else floatx.

    Example:
        >>> keras.mixed_precision.dtype_policy()
        <DTypePolicy "float32">
    """
    return _global or DTypePolicy(config.floatx())


def set_dtype_policy(policy: str | DTypePolicy | None) -> None:
    """Set the global policy; None: floatx again.

    Example:
        >>> keras.config.set_dtype_policy("mixed_bfloat16")
        >>> keras.layers.Dense(2).compute_dtype
        'bfloat16'
        >>> keras.config.set_dtype_policy("float32")
    """
    global _global
    _global = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy that `identifier` names: a policy, its name, a dtype, its serialised form (a
    dict), or None for the global one.

    Raises:
        TypeError, ValueError: for something else.

    Example:
        >>> keras.dtype_policies.get("mixed_float16").compute_dtype
        'float16'
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, str):
        return _of_name(identifier)
    if isinstance(identifier, dict):
        return _from_dict(identifier)
    return DTypePolicy(_standardize(dtypes.standardize(identifier)))


def _of_name(name: str) -> DTypePolicy:
    """The policy of a name such as "float32", "int8_from_float32" or "int4/32_from_float32"."""
    mode, found, source = name.partition("_from_")
    if not name.startswith(QUANTIZATION_MODES) or (not found and name in dtypes.ALL):
        return DTypePolicy(name)
    if not found:
        raise ValueError(
            f"cannot convert the policy {name!r} into a pair (mode, source name); a quantized "
            'policy is named like "int8_from_float32"'
        )
    base, slash, _ = mode.partition("/")
    kind = {
        "float8": QuantizedFloat8DTypePolicy,
        "gptq": GPTQDTypePolicy,
        "awq": AWQDTypePolicy,
        "int4": Int4DTypePolicy if slash else QuantizedDTypePolicy,
    }.get(base, QuantizedDTypePolicy)
    return kind(mode, source)


_KINDS = {
    **dict.fromkeys(("DTypePolicy", "FloatDTypePolicy", "Policy"), DTypePolicy),
    **{
        kind.__name__: kind
        for kind in (
            DTypePolicyMap,
            QuantizedDTypePolicy,
            QuantizedFloat8DTypePolicy,
            Int4DTypePolicy,
            GPTQDTypePolicy,
            AWQDTypePolicy,
        )
    },
}


def _from_dict(serialized: dict) -> DTypePolicy:
    kind, inner = _KINDS.get(serialized.get("class_name", "")), serialized.get("config")
    if kind is None or not isinstance(inner, dict):
        raise ValueError(
            f"cannot make a dtype policy from {serialized!r}: expected "
            '{"class_name": "DTypePolicy", "config": {"name": ...}}, or the form of another policy '
            f"({', '.join(_KINDS)})"
        )
    return kind.from_config(inner)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The serialised form of `dtype_policy`, a dict; `deserialize` is the inverse.

    Example:
        >>> keras.dtype_policies.serialize(keras.DTypePolicy("float32"))["class_name"]
        'DTypePolicy'
    """
    own = isinstance(dtype_policy, (DTypePolicyMap, QuantizedDTypePolicy))
    return {
        "module": "keras.dtype_policies" if own else "keras",
        "class_name": type(dtype_policy).__name__ if own else "DTypePolicy",
        "config": dtype_policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The policy that its serialised form describes.

    Args:
        config: what `serialize` gave.
        custom_objects: name -> class, for policies of your own.

    Raises:
        ValueError: for something else.

    Example:
        >>> config = keras.dtype_policies.serialize(keras.DTypePolicy("float16"))
        >>> keras.dtype_policies.deserialize(config).name
        'float16'
    """
    if not isinstance(config, dict):
        return get(config)
    own = (custom_objects or {}).get(config.get("class_name", ""))
    return _from_dict(config) if own is None else own.from_config(config["config"])


__all__ = [
    "AWQDTypePolicy", "DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "GPTQDTypePolicy",
    "Int4DTypePolicy", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy", "deserialize",
    "dtype_policy", "get", "serialize", "set_dtype_policy",
]  # fmt: skip

__dir__ = lambda: list(__all__)
