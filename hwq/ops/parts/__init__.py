"""What several ops share: weighted sums, two operands, single elements, weight coding, hardware resources."""
