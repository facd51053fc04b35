"""Parts of maps: samples and properties that matter most, and splits by labels."""
