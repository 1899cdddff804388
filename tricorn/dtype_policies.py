"""Dtype policies: which dtype a layer computes in and which its Variables have."""

from __future__ import annotations

from typing import Any

from tricorn import config, dtypes
from tricorn.graph import ambient

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_global: DTypePolicy | None = None
ambient.sources["dtype_policy"] = lambda: _global and _global.name


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
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(f"a dtype policy's name must be a string, got {name!r}")
        self.name: str = name
        self.variable_dtype = "float32" if name in _MIXED else _standardize(name)
        self.compute_dtype = _MIXED.get(name, self.variable_dtype)

    #: quantised policies do not exist here; files that name one are refused
    quantization_mode = None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


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
        return DTypePolicy(identifier)
    if isinstance(identifier, dict):
        return _from_dict(identifier)
    return DTypePolicy(_standardize(dtypes.standardize(identifier)))


def _from_dict(serialized: dict) -> DTypePolicy:
    name, inner = serialized.get("class_name"), serialized.get("config")
    if name not in ("DTypePolicy", "FloatDTypePolicy", "Policy") or not isinstance(inner, dict):
        raise ValueError(
            f"cannot make a dtype policy from {serialized!r}: expected "
            '{"class_name": "DTypePolicy", "config": {"name": ...}} (quantised policies are not '
            "known here)"
        )
    return DTypePolicy.from_config(inner)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The serialised form of `dtype_policy`, a dict; `deserialize` is the inverse.

    Example:
        >>> keras.dtype_policies.serialize(keras.DTypePolicy("float32"))["class_name"]
        'DTypePolicy'
    """
    return {
        "module": "keras", "class_name": "DTypePolicy", "config": dtype_policy.get_config(),
        "registered_name": None,
    }  # fmt: skip


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
    own = (custom_objects or {}).get(config.get("class_name", ""))
    return _from_dict(config) if own is None else own.from_config(config["config"])


__all__ = [
    "DTypePolicy", "FloatDTypePolicy", "deserialize", "dtype_policy", "get", "serialize",
    "set_dtype_policy",
]  # fmt: skip

__dir__ = lambda: list(__all__)
