"""The form of the tables that say what became of classes and arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Config = dict[str, Any]


class Change(NamedTuple):
    """What became of a class.

    Attributes:
        name: what it is called now.
        renamed: argument -> its name now; "" for one that is gone and has no effect.
        fixed: argument -> the value that means what was so before; a value in the file wins.
        convert: what else changed: ``(config, origin) -> config``, before arguments are renamed.
    """

    name: str
    renamed: Mapping[str, str] = {}
    fixed: Mapping[str, Any] = {}
    convert: Callable[[Config, Any], Config] | None = None

    def apply(self, config: Config, origin: Any, common: Mapping[str, str]) -> Config:
        """A config with today's arguments.

        Args:
            common: arguments that were renamed in all classes.
        """
        if self.convert is not None:
            config = self.convert(dict(config), origin)
        renamed = {**common, **self.renamed}
        found = {renamed.get(key, key): value for key, value in config.items()}
        found.pop("", None)
        return {**self.fixed, **found}
