"""Runnable examples: the demo project and its simulated annotator."""
