"""``keras.wrappers.scikit_learn`` of Keras 2.3.1."""

import tricorn.wrappers.scikit_learn as core
from tricorn.classic.models import Sequential
from tricorn.classic.names import handed_on
from tricorn.classic.tools import has_arg, to_list
from tricorn.classic.utils import to_categorical

__getattr__, __dir__ = handed_on(
    globals(),
    core,
    "BaseWrapper KerasClassifier KerasRegressor Sequential has_arg to_categorical to_list",
)
