"""Named values that can be frozen."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any


class Config:
    """Named values, as attributes and as items; frozen, they cannot be changed.

    Args:
        kwargs: the first values.

    Raises:
        ValueError: on a change while it is frozen.
        AttributeError: on reading a name that is not there.

    Example:
        >>> config = keras.utils.Config(rate=0.1)
        >>> config.units = 64
        >>> config.as_dict()
        {'rate': 0.1, 'units': 64}
    """

    _config: dict[str, Any]
    _frozen: bool

    def __init__(self, **kwargs: Any) -> None:
        vars(self).update(_config=kwargs, _frozen=False)

    @property
    def frozen(self) -> bool:
        """Whether it cannot be changed."""
        return self._frozen

    def freeze(self) -> None:
        """Let nothing be changed any more."""
        vars(self)["_frozen"] = True

    def unfreeze(self) -> None:
        """Let it be changed again."""
        vars(self)["_frozen"] = False

    def _changed(self) -> dict[str, Any]:
        if self._frozen:
            raise ValueError("Cannot mutate attribute(s) because the config is frozen.")
        return self._config

    def as_dict(self) -> dict[str, Any]:
        """The values as a new dict."""
        return dict(self._config)

    def to_json(self) -> str:
        """The values as JSON text."""
        return json.dumps(self._config)

    def keys(self) -> Any:
        """The names."""
        return self._config.keys()

    def values(self) -> Any:
        """The values."""
        return self._config.values()

    def items(self) -> Any:
        """(name, value) pairs."""
        return self._config.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """The value of a name, or `value` where there is none."""
        return self._config.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Remove a name, and give its value."""
        return self._changed().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several values, as ``dict.update`` does."""
        self._changed().update(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        config = vars(self).get("_config", {})
        if name in config:
            return config[name]
        close = difflib.get_close_matches(name, config, n=1, cutoff=0.7)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise AttributeError(f"Unknown attribute: '{name}'.{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"{name!r} is a part of Config itself; set it as an item instead")
        self._changed()[name] = value

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def __setitem__(self, key: str, item: Any) -> None:
        self._changed()[key] = item

    def __delitem__(self, key: str) -> None:
        del self._changed()[key]

    def __contains__(self, item: object) -> bool:
        return item in self._config

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._config))

    def __len__(self) -> int:
        return len(self._config)

    def __repr__(self) -> str:
        return f"<Config {self._config}>"
