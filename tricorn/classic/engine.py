"""``keras.engine`` of Keras 1 and 2: layers, models and what they are made of."""

from tricorn.classic.layer import Node
from tricorn.classic.layers import Input, InputLayer, InputSpec, Layer
from tricorn.classic.models import Model, Sequential, load_model, save_model
from tricorn.classic.names import handed_on
from tricorn.classic.utils import get_source_inputs

Container = Network = Model

__getattr__, __dir__ = handed_on(
    globals(),
    None,
    "Container Input InputLayer InputSpec Layer Model Network Node Sequential get_source_inputs",
)
