"""The tagger that serves and ranks: a linear-chain CRF on characters and on what rules, memory and words say of them.

    evidence   what is known about each character, as columns of ids
    features   templates over the columns, hashed to numbers
    crf        probabilities and best sequences of many texts at once
    tagger     weights, and what they say about texts

NumPy only, besides the word list of rjieba: the web process loads it in a second. `trainer.tagging` trains it.
"""
