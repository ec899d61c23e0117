"""Netlists: a layer as additions of two operands, comparisons, selections and tables, each with its exact interval."""
