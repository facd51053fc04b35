"""Ridge regression on values and explicit gradients: see `ridge` for the equations."""
