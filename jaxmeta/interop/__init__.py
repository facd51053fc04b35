"""The outside world's data: metatensor, featomic and ase, one file for each package.

Nothing is imported here: every file needs an optional package, and says so when it is
imported without it.
"""
