"""The outside world's data: metatensor, featomic, ase, pandas and xarray, a file each.

Nothing is imported here: every file needs an optional package, and says so when it is
imported without it.
"""
