"""Where data is: folders, cache, network, published checksums, and what was found."""
