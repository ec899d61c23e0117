"""Each exact step becomes a circuit proved equal to it; then the integer graph is made narrower and folded."""
