"""Verdicts: C++ against the simulator, circuits against exact fractions, values against other executors."""
