"""Rows of integers: packing, order, look-up, set algebra; numpy only."""
