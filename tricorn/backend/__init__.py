"""``K``: the names of Keras 2's backend, over `tricorn.ops` and `tricorn.graph`.

Functions take tensors of the engine, NumPy arrays, Variables and symbolic tensors (placeholders,
``Input``); with a symbolic tensor among their arguments they give symbolic tensors.
"""

from tricorn.backend import environment, graphs, maths, neural, shapes, values
from tricorn.backend.environment import *
from tricorn.backend.graphs import *
from tricorn.backend.maths import *
from tricorn.backend.meanings import MEANINGS
from tricorn.backend.neural import *
from tricorn.backend.shapes import *
from tricorn.backend.values import *
from tricorn.docstrings import complete
from tricorn.dtypes import result_type
from tricorn.dtypes import standardize as standardize_dtype

__all__ = ["result_type", "standardize_dtype"]
__all__ += environment.__all__
__all__ += graphs.__all__
__all__ += maths.__all__
__all__ += neural.__all__
__all__ += shapes.__all__
__all__ += values.__all__

__dir__ = lambda: list(__all__)

complete((globals()[name] for name in __all__), MEANINGS)
