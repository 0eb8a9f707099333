"""Learning: from annotated reports to the next serving version.

    trainer.jobs           what an RQ worker runs: a round, a ranking, a shard of one
    trainer.rounds         a round step by step, each step repeatable after a kill
    trainer.dataset        annotated tasks -> frozen dataset, with reasons for what was left out
    trainer.corpus         annotated reports in files, and their splits
    trainer.learning       reports -> predictor and its judgement, for rounds and for `ecgal train`
    trainer.tagging        reports -> tagger, in seconds
    trainer.plan           what a learning does beside the preset
    trainer.recipe         every choice of a fine-tuning, with presets
    trainer.augmentation   variants of annotated reports
    trainer.base_model     the encoder every fine-tuning starts from
    trainer.pretraining    a base model that has read the project's texts
    trainer.self_training  reports that a teacher labels
    trainer.training       fine-tuning; its parts are in trainer.fine_tuning
    trainer.distillation   a smaller student of a trained network
    trainer.export         weights -> engine files and other forms
    trainer.evaluation     tagger, rules, network and merge on the same held-out reports
    trainer.calibration    honest probabilities
    trainer.bootstrap      intervals and comparisons by report
    trainer.promotion      the gate: promote or keep, and why
    trainer.error_analysis what is wrong, and what to annotate next
    trainer.reranking      pool -> predictions -> Label Studio -> switch
    trainer.chunk_ranking  a few thousand tasks of the pool at a time
    trainer.upkeep         what leaves the ranking and Label Studio, and when
    trainer.reconcile      what no webhook told
    trainer.connection     a Label Studio project -> connected, or repaired
    trainer.doctor         what is wrong and the exact fix
    trainer.offline        model folders outside a project

trainer imports backend; nothing imports trainer but the entry points.
"""
