"""Labels and their entries, static and dynamic."""
