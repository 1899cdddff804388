"""``keras.preprocessing.text`` of Keras 2.3.1."""

from __future__ import annotations

import tricorn.preprocessing.text as core
from tricorn.classic.faces import face
from tricorn.classic.names import handed_on

Tokenizer = face(core.Tokenizer, module=__name__)

__getattr__, __dir__ = handed_on(
    globals(), core, "Tokenizer hashing_trick one_hot text_to_word_sequence tokenizer_from_json"
)
