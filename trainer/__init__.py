"""Learning: from annotated reports to the next serving version.

    trainer.jobs         what an RQ worker runs: one round, one ranking
    trainer.rounds       a round step by step, each step repeatable after a kill
    trainer.dataset      annotated tasks -> frozen dataset, with reasons for what was left out
    trainer.base_model   the encoder every fine-tuning starts from
    trainer.training     fine-tuning
    trainer.export       weights -> engine files
    trainer.evaluation   rules, network and their merge on the same held-out reports
    trainer.promotion    the gate: promote or keep, and why
    trainer.reranking    pool -> predictions -> Label Studio -> switch
    trainer.reconcile    what no webhook told
    trainer.connection   a Label Studio project -> connected, or repaired
    trainer.doctor       what is wrong and the exact fix

trainer imports backend; nothing imports trainer but the entry points.
"""
