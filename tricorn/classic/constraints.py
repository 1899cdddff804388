"""The constraints of Keras 2.3.1."""

import tricorn.constraints as core
from tricorn.classic.names import handed_on
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm

max_norm = maxnorm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm

__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "Constraint MaxNorm MinMaxNorm NonNeg UnitNorm deserialize deserialize_keras_object get "
    "max_norm maxnorm min_max_norm non_neg nonneg serialize serialize_keras_object unit_norm "
    "unitnorm",
)
