"""The TensorFlow engine: `eager` is the contract, `graph` what differs in a plain ``tf.Graph``."""

from tricorn.engines.tensorflow.eager import *  # noqa: F403
from tricorn.engines.tensorflow.graph import engine_of, variant
