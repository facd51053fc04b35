"""Parts of blocks and maps: what a selection asks for, what is taken."""
