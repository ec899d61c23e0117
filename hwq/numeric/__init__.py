"""Numbers: formats and rounding, exact fractions, step functions, random words. Knows nothing of graphs."""
