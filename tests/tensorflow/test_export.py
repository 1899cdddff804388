"""Row B9: export for serving; plain TensorFlow loads it and gives the same numbers."""

import os
import subprocess
import sys

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import close
from tricorn import backend as K
from tricorn import layers

pytestmark = pytest.mark.engine("tensorflow")

#: what a program without Tricorn does with the folder
LOAD = """
import sys, numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
x = np.load(sys.argv[2])
predict = loaded.signatures["predict"](tf.constant(x))["scores"]
feature = lambda row: tf.train.Feature(float_list=tf.train.FloatList(value=row))
examples = [tf.train.Example(features=tf.train.Features(feature={"x": feature(row)}))
            for row in x]
given = tf.constant([e.SerializeToString() for e in examples])
answer = loaded.signatures["serving_default"](given)
np.savez(sys.argv[3], predict=predict, scores=answer["scores"],
         classes=answer["classes"].numpy().astype("U"))
"""


def test_export_and_load(tf, digits, tmp_path):
    x, y = digits[0]
    trained = keras.Sequential(
        [keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dropout(0.5),
         layers.BatchNormalization(), layers.Dense(10, activation="softmax")]
    )  # fmt: skip
    trained.compile("adam", "categorical_crossentropy")
    trained.fit(x, y, epochs=2, verbose=0)
    config, weights = trained.get_config(), trained.get_weights()

    K.set_learning_phase(0)
    model = keras.Sequential.from_config(config)
    model.set_weights(weights)
    assert not model.output._uses_learning_phase
    serialized = tf.placeholder(tf.string, (None,))
    parsed = tf.parse_example(serialized, {"x": tf.FixedLenFeature([64], tf.float32)})
    scores, classes = tf.nn.top_k(model(parsed["x"]), 3)
    names = tf.gather(tf.constant([f"digit {i}" for i in range(10)]), classes)
    classify = tf.saved_model.classification_signature_def(serialized, names, scores)
    predict = tf.saved_model.predict_signature_def(
        {"images": model.input}, {"scores": model.output}
    )
    folder = tmp_path / "1"
    builder = tf.saved_model.builder.SavedModelBuilder(str(folder))
    builder.add_meta_graph_and_variables(
        K.get_session(),
        [tf.saved_model.tag_constants.SERVING],
        signature_def_map={"predict": predict, "serving_default": classify},
    )
    builder.save()

    images = digits[1][0][:20]
    expected = trained.predict(images, verbose=0)
    np.save(tmp_path / "x.npy", images)
    given = [str(folder), str(tmp_path / "x.npy"), str(tmp_path / "found.npz")]
    subprocess.run([sys.executable, "-c", LOAD, *given], check=True, env=dict(os.environ))
    found = np.load(tmp_path / "found.npz")
    close(found["predict"], expected)
    order = np.argsort(-expected, axis=1, kind="stable")[:, :3]
    close(found["scores"], np.take_along_axis(expected, order, 1))
    assert found["classes"][:, 0].tolist() == [f"digit {i}" for i in order[:, 0]]

    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        loaded = tf.saved_model.loader.load(session, ["serve"], str(folder))
        names = loaded.signature_def["predict"]
        again = session.run(names.outputs["scores"].name, {names.inputs["images"].name: images})
    close(again, expected)
