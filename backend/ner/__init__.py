"""Named-entity recognition without any I/O: spans, tags, alignment, decoding, uncertainty, metrics.

Imports the standard library and numpy only.
"""
