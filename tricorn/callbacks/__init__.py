"""Callbacks: what watches a run and may steer it."""

from tricorn.callbacks.backup import BackupAndRestore
from tricorn.callbacks.base import Callback
from tricorn.callbacks.callback_list import CallbackList
from tricorn.callbacks.checkpoint import ModelCheckpoint
from tricorn.callbacks.csv_logger import CSVLogger
from tricorn.callbacks.early_stopping import EarlyStopping
from tricorn.callbacks.history import History, LivePlot
from tricorn.callbacks.lambda_callback import LambdaCallback
from tricorn.callbacks.monitor import MonitorCallback
from tricorn.callbacks.orbax_checkpoint import OrbaxCheckpoint
from tricorn.callbacks.plateau import ReduceLROnPlateau
from tricorn.callbacks.progress import ProgbarLogger
from tricorn.callbacks.remote_monitor import RemoteMonitor
from tricorn.callbacks.schedule import LearningRateScheduler
from tricorn.callbacks.swap_averages import SwapEMAWeights
from tricorn.callbacks.tensorboard import TensorBoard
from tricorn.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "LivePlot",
    "ModelCheckpoint",
    "MonitorCallback",
    "OrbaxCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

__dir__ = lambda: list(__all__)
