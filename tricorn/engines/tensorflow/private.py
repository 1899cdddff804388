"""What the engine uses of TensorFlow that is not public, and may move with a version."""

from __future__ import annotations

import tensorflow as tf

from tricorn.engines.common import private_parts

with private_parts("tensorflow", tf.__version__, ("2.21", "2.22"), pip="tricorn[tensorflow]"):
    from tensorflow.python import pywrap_tfe as pywrap_tfe
    from tensorflow.python.autograph.core import config as autograph
    from tensorflow.python.eager import record as record
    from tensorflow.python.framework.func_graph import FuncGraph as FuncGraph
    from tensorflow.python.framework.ops import EagerTensor as EagerTensor
    from tensorflow.python.framework.ops import SymbolicTensor as SymbolicTensor
    from tensorflow.python.framework.ops import gradient_registry as gradient_registry
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    # In the functions that users give to `tf.function`, AutoGraph rewrites every Python function
    # that is called.  Ours need it as little as Keras's, and rewriting takes longer than tracing.
    ours = autograph.DoNotConvert(__name__.partition(".")[0])
    autograph.CONVERSION_RULES = (ours, *autograph.CONVERSION_RULES)

    in_xla = GraphOrParentsInXlaContext
