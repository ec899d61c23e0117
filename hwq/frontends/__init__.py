"""Model files in, real graphs out."""
