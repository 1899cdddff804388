"""The TensorFlow engine: `eager` is the contract, `graph` what differs in a plain ``tf.Graph``."""

import os

# TensorFlow chooses oneDNN by the processor's model and often leaves it out, at half the speed of
# convolutions.  It asks when the first operation runs; who has set the variable keeps it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from tricorn.engines.tensorflow.eager import *
from tricorn.engines.tensorflow.graph import direct, engine_of, variant
from tricorn.engines.tensorflow.sparse import dense, entries, is_sparse, sparse, sparse_matmul
