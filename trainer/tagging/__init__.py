"""Training of `backend.tagging`: from annotated reports to weights, in seconds."""
