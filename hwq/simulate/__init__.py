"""Codes from the hardware graph: the schedule of a run, ops that run as one, and the simulator itself."""
