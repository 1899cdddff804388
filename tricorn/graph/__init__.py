"""Symbolic tensors, recorded graphs, transforms, compiled functions, tapes: see the modules."""
