"""Passes from real graph to real graph."""
