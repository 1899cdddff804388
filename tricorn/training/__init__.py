"""Training: the step, the loop, the data that goes in, the progress display."""
