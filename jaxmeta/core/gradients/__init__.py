"""The one rule for gradients: rows that move, and functions of rows."""
