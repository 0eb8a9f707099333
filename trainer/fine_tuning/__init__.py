"""The parts of a fine-tuning, which `trainer.training` puts together.

network      the encoder with a head for the tags: depth, dropout, warm start, low-rank adapters
loss         what a wrong tag costs
optimizer    which weights learn how fast
selection    which weights are kept: the last, the best on validation reports, or an average
"""
