"""Programs that move atoms, with the forces of models: a file for each of them.

Nothing is imported here: every file needs an optional package, and says so when it is
imported without it.
"""
