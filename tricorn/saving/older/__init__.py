"""Whole models and configs as Keras 1, Keras 2 and tf.keras wrote them.

`origin` tells what wrote a file; `keras1` and `keras2` say what their classes and arguments became;
`configs` brings a config into today's form by these tables; `states` does it with the state of
optimizers; `models` reads files, and `writing` writes those of Keras 2.
"""
