"""Sums over pairs as machine code of the user's own compiler, and when they are used."""

from jaxmeta.native.choice import in_use as in_use
from jaxmeta.native.choice import portable as portable
from jaxmeta.native.choice import why_not as why_not
