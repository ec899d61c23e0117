"""The graphs: real ops with exact scales, hardware ops on integers, and the values that both hold."""
