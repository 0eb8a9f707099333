"""Property tests here run without a time limit per example: machines differ."""

from hypothesis import settings

settings.register_profile("ner", deadline=None, max_examples=100)
settings.load_profile("ner")
