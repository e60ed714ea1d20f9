"""The ground: what is written to disk, read from it and fetched."""
