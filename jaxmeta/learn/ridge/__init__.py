"""Ridge regression on values and explicit gradients: see `model` for the equations."""
