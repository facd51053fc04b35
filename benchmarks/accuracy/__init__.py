"""How accurate potentials are that jaxmeta fits, on sets that others have published.

Everything that a potential depends on, penalties and weights among it, is chosen within
the structures for training: `choices` never sees those for testing.
"""
