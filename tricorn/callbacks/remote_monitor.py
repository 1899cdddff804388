"""Epochs told to a server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping

import numpy as np

from tricorn.callbacks.base import Callback, Logs

#: seconds that an answer may take
_PATIENCE = 30


class RemoteMonitor(Callback):
    """Posts each epoch's metrics, with ``epoch``, to a server; warns where it cannot be reached.

    Args:
        root: the server's address.
        path: where on it.
        field: the form's field that holds the JSON text.
        headers: further HTTP headers.
        send_as_json: whether to send JSON alone instead of a form.

    Example:
        >>> callback = keras.callbacks.RemoteMonitor("http://localhost:9000", send_as_json=True)
    """

    passive = True

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        import urllib.parse  # takes as long to load as all callbacks together
        import urllib.request

        text = json.dumps({"epoch": epoch, **{k: _plain(v) for k, v in (logs or {}).items()}})
        kind = "json" if self.send_as_json else "x-www-form-urlencoded"
        body = text if self.send_as_json else urllib.parse.urlencode({self.field: text})
        headers = {"Content-Type": f"application/{kind}", **(self.headers or {})}
        request = urllib.request.Request(self.root + self.path, body.encode(), headers)
        try:
            urllib.request.urlopen(request, timeout=_PATIENCE).close()
        except OSError as error:
            warnings.warn(
                f"RemoteMonitor: could not reach the server at {self.root}: {error}", stacklevel=2
            )


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
