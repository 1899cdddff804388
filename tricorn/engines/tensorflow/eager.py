"""The whole contract on TensorFlow: eager, and inside of `tf.function`."""

from tricorn.engines.tensorflow.compilation import *  # noqa: F403
from tricorn.engines.tensorflow.draws import *  # noqa: F403
from tricorn.engines.tensorflow.module import Module as module  # noqa: F401
from tricorn.engines.tensorflow.primitives import *  # noqa: F403
from tricorn.engines.tensorflow.tape import tape  # noqa: F401
from tricorn.engines.tensorflow.transforms import *  # noqa: F403
from tricorn.engines.tensorflow.windows import *  # noqa: F403
