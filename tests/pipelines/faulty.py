"""Batches that go wrong in one way or another; worker processes import this."""

import os
import signal
import sys
import threading
import time

import numpy as np

from tricorn.utils import PyDataset

COUNT = 8


class CannotBePickled(Exception):
    def __init__(self, one, other):
        super().__init__(one)
        self.lock = threading.Lock()


def fail():
    raise KeyError("broken")


def fail_with_a_lock():
    raise CannotBePickled("broken", 2)


#: what becomes of one batch
ACTS = {
    "fine": lambda: None,
    "fails": fail,
    "fails with a lock": fail_with_a_lock,
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exits": lambda: os._exit(3),
    "asks to exit": lambda: sys.exit("asked"),
    "hangs": lambda: time.sleep(600),
    "is no data": lambda: None,
}


class Batches(PyDataset):
    """Batch i is full of i.

    Args:
        act: what happens to the batch of number `at`.
        seconds: how long every other batch takes.
    """

    def __init__(self, act="fine", at=4, seconds=0.0, **workers):
        super().__init__(**workers)
        self.act, self.at, self.seconds = act, at, seconds

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        time.sleep(self.seconds * (index % 2))
        if index == self.at:
            ACTS[self.act]()
            if self.act == "is no data":
                return lambda: None
        return np.full((2, 1), index, "float32"), np.full((2, 1), index, "float32")
