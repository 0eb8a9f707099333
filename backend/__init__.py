"""Serving: from a Label Studio request to a prediction, and from a webhook to a queued round.

Predicting
    backend.http.label_studio    POST /predict: tasks in, as many predictions out
    backend.labelstudio.config   labelling configuration -> labels, text key
    backend.serving              project -> predictor of the serving version
    backend.predictor            text -> spans, uncertainty
    backend.tagging              text -> evidence -> tag probabilities of the tagger
    backend.engine.tokenizer     text -> tokens with code-point offsets
    backend.engine               tokens -> tag probabilities
    backend.ner.decoding         probabilities -> legal BIO tags
    backend.rules                proposals before anything is learned, and evidence for the tagger
    backend.ranking.control      uncertainty -> priority
    backend.labelstudio.wire     prediction -> Label Studio's JSON

Learning
    backend.http.label_studio    POST /webhook: a hint
    backend.job_queue            hints -> at most one waiting round (RQ)
    trainer.jobs                 the round in a worker: train, judge, rank, switch
    backend.labelstudio.regions  a labelled region -> offsets in the report
    backend.left_out             what a round did not use, in sentences
    backend.registry             versions and pointers as files
    backend.labelstudio.pool     what a version has predicted of the pool, and what not
    backend.rank_shards          a large ranking cut into jobs
    backend.ranking_index        the ranked pool for the queue

backend never imports trainer or the entry points.
"""
