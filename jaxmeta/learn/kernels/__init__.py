"""Sparse Gaussian process regression on values and explicit gradients."""
