"""Files that older versions of Keras wrote, or read."""
