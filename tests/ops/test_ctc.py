"""CTC beside TensorFlow's and PyTorch's own."""

import importlib.util

import numpy as np
import pytest

from tests.oracle import array, close
from tricorn import ops

random = np.random.default_rng(0)
LOGITS = (2 * random.normal(size=(3, 12, 5))).astype("float32")
STEPS = np.array([12, 7, 10], "int32")
LABELS = np.array([[0, 1, 1, 2], [3, 3, 0, 0], [2, 0, 0, 0]], "int32")
LENGTHS = np.array([4, 2, 0], "int32")
BLANK = 4


def needs(library):
    missing = importlib.util.find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed")


@needs("torch")
def test_loss():
    import torch

    theirs = torch.nn.functional.ctc_loss(
        torch.tensor(LOGITS).log_softmax(-1).transpose(0, 1), torch.tensor(LABELS),
        torch.tensor(STEPS), torch.tensor(LENGTHS), blank=BLANK, reduction="none",
    )  # fmt: skip
    close(ops.ctc_loss(LABELS, LOGITS, LENGTHS, STEPS, mask_index=BLANK), theirs.numpy())


def dense(sparse):
    """TensorFlow's answer, filled up to the number of steps."""
    import tensorflow as tf

    found = tf.sparse.to_dense(sparse, default_value=-1).numpy()
    return np.pad(found, [(0, 0), (0, 12 - found.shape[1])], constant_values=-1)


@needs("tensorflow")
@pytest.mark.parametrize("merge", [True, False])
def test_greedy(merge):
    import tensorflow as tf

    labels, scores = ops.ctc_decode(LOGITS, STEPS, merge_repeated=merge, mask_index=BLANK)
    (sparse,), sums = tf.nn.ctc_greedy_decoder(
        tf.transpose(LOGITS, (1, 0, 2)), STEPS, merge_repeated=merge, blank_index=BLANK
    )
    np.testing.assert_array_equal(array(labels)[0], dense(sparse))
    close(scores, sums.numpy())


@needs("tensorflow")
def test_beam_search():
    import tensorflow as tf

    labels, scores = ops.ctc_decode(LOGITS, STEPS, "beam_search", 20, 3, mask_index=BLANK)
    sparse, logs = tf.nn.ctc_beam_search_decoder(tf.transpose(LOGITS, (1, 0, 2)), STEPS, 20, 3)
    for ours, theirs in zip(array(labels), sparse, strict=True):
        np.testing.assert_array_equal(ours, dense(theirs))
    close(scores, logs.numpy())


def test_errors():
    with pytest.raises(ValueError, match="strategy"):
        ops.ctc_decode(LOGITS, STEPS, "best")
    with pytest.raises(ValueError, match="beam_width"):
        ops.ctc_decode(LOGITS, STEPS, "beam_search", 2, 3)
