"""Layers that prepare data, before a model, in it or in a data pipeline."""
