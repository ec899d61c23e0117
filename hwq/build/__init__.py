"""Compilers and what they make: found, called, cached, loaded back into Python."""
