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

    # in a `tf.function` of a user's AutoGraph would rewrite every function of the library it meets
    autograph.CONVERSION_RULES = (
        autograph.DoNotConvert("tricorn"),
        *autograph.CONVERSION_RULES,
    )
