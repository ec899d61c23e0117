"""Streaming designs in time: what each process does in which cycle, and how deep the FIFOs between them must be."""
