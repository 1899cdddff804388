"""The classic face: Keras 2.3.1's names, arguments, defaults and numerical conventions.

``from tricorn.classic import keras`` gives the namespace of Keras 2.3.1; ``tricorn run script.py``
lets a script's own ``import keras`` mean it.  Its classes are those of the core with other
defaults, and the spellings of Keras 1 are converted with a warning.
"""
