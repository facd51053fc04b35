"""Labels and shapes to text and HTML; receives names and numbers, never classes."""
