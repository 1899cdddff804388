"""Small random models of KerasHub: what they give is written to a file, to be compared.

``python keras_hub_models.py out.npz`` asks genuine Keras, ``tricorn run --modern`` the library.
"""

import sys

import keras
import keras_hub
import numpy as np

hub = keras_hub.models
random = np.random.default_rng(0)
tokens, padding = random.integers(1, 50, (2, 8)).astype("int32"), np.ones((2, 8), "int32")
padding[1, 5:] = 0
segments = np.tile(np.arange(8) // 4, (2, 1)).astype("int32")
images = random.normal(size=(2, 32, 32, 3)).astype("float32")
sounds = random.normal(size=(2, 12, 80)).astype("float32")
SIZES = {"vocabulary_size": 50, "num_layers": 2, "hidden_dim": 16, "intermediate_dim": 32}
HEADS, TEXT = {**SIZES, "num_heads": 2}, {"token_ids": tokens, "padding_mask": padding}
GROUPED = {**SIZES, "num_query_heads": 4}

#: class, its settings, inputs
MODELS = {
    "bert": (hub.BertBackbone, {**HEADS, "max_sequence_length": 8},
             {**TEXT, "segment_ids": segments}),
    "gpt2": (hub.GPT2Backbone, {**HEADS, "max_sequence_length": 8}, TEXT),
    "llama": (hub.LlamaBackbone, {**GROUPED, "num_key_value_heads": 2}, TEXT),
    "gemma": (hub.GemmaBackbone, {**GROUPED, "num_key_value_heads": 1, "head_dim": 4}, TEXT),
    "t5": (hub.T5Backbone, HEADS, {f"{part}_{name}": value for part in ("encoder", "decoder")
                                   for name, value in TEXT.items()}),
    "whisper": (hub.WhisperBackbone,
                {**HEADS, "max_encoder_sequence_length": 12, "max_decoder_sequence_length": 8},
                {"encoder_features": sounds, "decoder_token_ids": tokens,
                 "decoder_padding_mask": padding}),
    "vit": (hub.ViTBackbone, {"image_shape": (32, 32, 3), "patch_size": 8, "num_layers": 2,
                              "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}, images),
    "resnet": (hub.ResNetBackbone,
               {"input_conv_filters": [64], "input_conv_kernel_sizes": [7],
                "stackwise_num_filters": [64, 64], "stackwise_num_blocks": [1, 1],
                "stackwise_num_strides": [1, 2], "block_type": "basic_block",
                "image_shape": (32, 32, 3)}, images),
}  # fmt: skip

found = {}
for name, (kind, settings, inputs) in MODELS.items():
    keras.utils.clear_session()
    model, draw = kind(**settings), np.random.default_rng(1)
    # on PyTorch it makes them in another order
    weights = sorted(model.weights, key=lambda v: v.path)
    for variable in weights:
        if "variance" not in variable.path:
            variable.assign(0.3 * draw.normal(size=variable.shape))
    given = model.predict(inputs, verbose=0)
    for key, value in (given if isinstance(given, dict) else {"output": given}).items():
        found[f"{name}/{key}"] = value
    found[f"{name}/paths"] = np.array([v.path for v in weights])
    again = kind.from_config(model.get_config())
    assert again.count_params() == model.count_params()
np.savez(sys.argv[1], **found)
