"""What a design costs and how quick it is, as numbers and tables."""
