"""The pool, predicted by the target version, into Label Studio; then the switch.

Predictions of the new version are imported while the old one still serves. Then pointer and title change
together and the old predictions go. Killed at any point and run again it goes on where Label Studio's own
data says it stopped: only tasks without a prediction of the version are asked for. A pool of more than ECG_SHARD
such tasks is cut into shards, jobs of their own; whoever ends the last asks for the ranking again, which then
finds nothing left and switches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice

from backend.errors import BackendError
from backend.labelstudio import pool
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.wire import JsonObject, task_text
from backend.rank_shards import RankShards, Shard, Step, cut
from backend.ranking.control import quantiles
from backend.records import RankingRecord
from backend.switching import deciding
from trainer.chunk_ranking import CHUNK, FEW, ChunkRanking, Phases, asked_for, batches, stored_row
from trainer.copies import answers
from trainer.dataset import freeze
from trainer.parts import WorkerParts
from trainer.progress import Milestones, Timeline, left
from trainer.rival import open_version
from trainer.upkeep import deletable, may_delete, other_labels, tidy

logger = logging.getLogger(__name__)

PACE = "a report"
"""Under this name the seconds of a report are kept among the durations of the stages."""
CHECKED = 20
"""Places at the head of the queue that are read back from Label Studio."""


class Outdated(BackendError):
    """Another version is wanted than the one that is ranked, whose ranking was asked for."""

    def __init__(self, version: str) -> None:
        super().__init__("Another version is wanted than the one that was to be ranked", version)


class Reranking:
    """One ranking of one project's pool by the version that is wanted when it starts."""

    def __init__(self, parts: WorkerParts, project: str, client: LabelStudioClient) -> None:
        self.parts = parts
        self.settings = parts.settings
        self.registry = parts.registry
        self.index = parts.index
        self.shards = RankShards(parts.redis, parts.queue)
        self.client = client
        self.session = client.session
        self.project = project
        self.version = parts.registry.target(project)
        self.name = (project, self.version)
        self.phases = Phases()
        self.shared, self.step = False, Step(0, 0, time.time())
        self.shard: Shard | None = None
        known = parts.queue.durations(project, "rank")
        self.pace = known.pop(PACE, None)
        self.timeline = Timeline(["preparing", "ranking", "switching", "cleaning up"], {**known, "ranking": 0.0})
        self.milestones = Milestones(lambda said: logger.info("ranking project=%s version=%s: %s", *self.name, said))

    # The whole ------------------------------------------------------------------------------------

    def run(self) -> RankingRecord | None:
        """Predict, import, switch, clean up, read back; call it with the project's rank lock held.

        None when shards that others work on have to end first. Raises Outdated.
        """
        if not self.shards.planned(*self.name):
            self.enter("preparing")
        self.forget_other_labels()
        missing = pool.count_missing(self.session, *self.name)
        if not self.parts.annotated.known(self.project):
            told = freeze(self.client.labelled_tasks(self.project), self.config).reports
            self.parts.annotated.renew(self.project, answers(told), {})
        self.restore()
        self.begin_steps(missing)
        self.rank_first(missing)
        if self.share_out():
            return None
        without_text = self.rank_missing()
        self.switch()
        record = self.record(without_text)
        self.registry.save_ranking(self.project, record)
        self.enter("cleaning up")
        with self.phases.of("clean up"):
            self.clean_up()
        record = self.read_back(record.model_copy(update={"phases": self.phases.rounded()}))
        self.registry.save_ranking(self.project, record)
        self.save_durations()
        self.shards.drop(self.project, self.version)
        logger.info("ranked project=%s version=%s tasks=%d in %s", *self.name, record.tasks, record.phases)
        return record

    def run_shard(self, version: str, shard: Shard) -> bool:
        """Rank the tasks of a shard that lack the version; whether it was the last. Raises Outdated."""
        if version != self.version:
            raise Outdated(version)
        self.shard = shard
        self.begin_steps(0)
        self.rank_missing(shard)
        logger.info("ranked project=%s version=%s shard=%d in %s", *self.name, shard.number, self.phases.rounded())
        return self.shards.finish(self.project, version, shard)

    def share_out(self) -> bool:
        """Queue what is unfinished of a large ranking; whether anything is."""
        if not self.shards.planned(*self.name):
            left = pool.count_missing(self.session, *self.name)
            if left <= self.settings.shard:
                return False
            parts = cut(*pool.id_range(self.session, self.project), -(-left // self.settings.shard))
            self.shards.plan(*self.name, parts, left)
        return self.shards.start(*self.name) > 0

    # Its parts ------------------------------------------------------------------------------------

    @cached_property
    def config(self) -> LabelConfig:
        """The project's labelling configuration as it is now."""
        return parse_label_config(self.client.project(self.project).label_config)

    @cached_property
    def chunks(self) -> ChunkRanking:
        """The version, opened when the first task has to be predicted."""
        predictor, _ = open_version(self.registry, self.settings, self.project, self.version, self.config)
        so_far, share = self.so_far(), self.settings.holdout_share
        known, size = so_far.distribution, so_far.drawn_from
        if not known and (ranked := self.index.uncertainties(*self.name, CHUNK)):
            known, size = quantiles(ranked), len(ranked)
            self.begin(known, size)
        where = (self.client, self.index, self.parts.annotated, self.project, predictor, self.config, share)
        return ChunkRanking(*where, known, size, self.begin, self.report, self.phases)

    def forget_other_labels(self) -> None:
        """Delete what the version predicted for other labels than the project has now: it is predicted anew.

        While people annotate, much of it stays until the reconciler sees that nobody does.
        """
        last = self.registry.ranking(self.project)
        if not (last and last.version == self.version and other_labels(last, self.config)):
            return
        if not may_delete(self.client, self.project, pool.count_holding(self.session, *self.name)):
            self.registry.save_ranking(self.project, last.model_copy(update={"mixed": True}))
            return
        self.client.delete_predictions(*self.name)
        self.index.drop(*self.name)
        self.shards.drop(*self.name)
        fields = {"labels": self.config.labels, "mixed": False, "finished": ""}
        self.registry.save_ranking(self.project, self.so_far().model_copy(update=fields))

    def begin(self, distribution: tuple[float, ...], drawn_from: int) -> None:
        """Keep the uncertainties of the pool before any place is drawn from them.

        A repetition after a kill, the shards and later rankings by this version must draw the same places.
        """
        fields = {"distribution": distribution, "drawn_from": drawn_from, "finished": ""}
        self.registry.save_ranking(self.project, self.so_far().model_copy(update=fields))

    def so_far(self) -> RankingRecord:
        """The record of this version's ranking as it stands, with the distribution of what answers meanwhile."""
        last, serving = self.registry.ranking(self.project), self.registry.serving(self.project)
        earlier = {serving: last.distribution_of(serving)} if last and serving != self.version else {}
        if last and last.version == self.version:
            return last.model_copy(update={"earlier": earlier or last.earlier})
        known = last.distribution_of(self.version) if last else ()
        made = RankingRecord(version=self.version, labels=self.config.labels, tasks=0, seconds=0.0, finished="")
        fields = {"distribution": known, "drawn_from": FEW if known else 0, "earlier": earlier}
        return made.model_copy(update=fields)

    def restore(self) -> None:
        """Rank again what Label Studio holds scores of, when Redis lost the index; nothing is predicted."""
        lost = pool.count_scored(self.session, *self.name) - self.index.count(*self.name)
        share, before = self.settings.holdout_share, lost
        for chunk in batches(pool.scored(self.session, *self.name) if lost > 0 else (), CHUNK):
            known = self.index.known(*self.name, [task["id"] for task in chunk])
            new = [task for task in chunk if task["id"] not in known]
            texts = {task["id"]: task_text(task, self.config) for task in new}
            pairs = [(number, text) for number, text in texts.items() if text is not None]
            said = self.parts.annotated.of(self.project, [text for _, text in pairs])
            first = asked_for(self.index, *self.name, pairs, said)
            rows = [
                stored_row(task, texts[task["id"]], self.version, share, first.get(task["id"], int(task["id"])))
                for task in new
            ]
            self.index.add(*self.name, rows)
            lost -= len(new)
            if lost <= 0:  # a task that Label Studio asked for by itself is among the newest, which come first
                break
        if lost < before:
            logger.info("restored project=%s version=%s tasks=%d from stored scores", *self.name, before - lost)

    def rank_first(self, missing: int) -> None:
        """The part that the distribution is drawn from; with ECG_RANK_FIRST also the old head, and the switch."""
        serving, drawn = self.registry.serving(self.project), self.so_far().drawn_from >= FEW
        early = self.settings.rank_first if serving != self.version else 0
        if missing <= (early or CHUNK) or (drawn and not early):
            return
        if early:
            self.timeline.plan(["ranking", "switching", "ranking", "switching", "cleaning up"])
        size = max(1, early // 2) if early else CHUNK
        random = self.index.sample(self.project, serving, size) if serving != self.version else []
        self.rank(pool.missing_among(self.session, *self.name, random) or self.read_first(size))
        if early:
            head = [row.task_id for row in self.index.top(self.project, serving, size)]
            self.rank(pool.missing_among(self.session, *self.name, head))
            self.switch()

    def read_first(self, size: int) -> list[JsonObject]:
        """The first tasks that lack the version."""
        return list(islice(pool.missing(self.session, *self.name), size))

    def rank_missing(self, shard: Shard | None = None) -> int:
        """Rank all tasks (of the shard) that lack the version, a chunk at a time; how many have no text."""
        after, upto = (shard.after, shard.upto) if shard else (0, None)
        chunks = iter(batches(pool.missing(self.session, *self.name, after, upto), CHUNK))
        without_text = 0
        while chunk := self.read(chunks):
            without_text += self.rank(chunk)
        return without_text

    def read(self, chunks: Iterator[list[JsonObject]]) -> list[JsonObject]:
        """The next chunk; empty after the last."""
        with self.phases.of("read"):
            return next(chunks, [])

    def rank(self, tasks: list[JsonObject]) -> int:
        """Rank these tasks; how many have no text. Raises Outdated."""
        self.check_wanted()
        if not tasks:
            return 0
        self.enter("ranking")
        return self.chunks.rank(tasks)

    def check_wanted(self) -> None:
        """Raise Outdated when another version, or another plan, is wanted by now; that is asked for by itself."""
        replanned = self.shard is not None and self.shards.replanned(*self.name, self.shard)
        if replanned or self.registry.target(self.project) != self.version:
            raise Outdated(self.version)

    def switch(self) -> None:
        """Let the version serve: pointer, title; then drop what was annotated meanwhile. Raises Outdated."""
        self.enter("switching")
        with self.phases.of("switch"):
            with deciding(self.registry, self.project):
                self.check_wanted()
                self.registry.promote(*self.name)
            self.client.switch_title(*self.name)
            tidy(self.client, self.index, *self.name)
        logger.info("serving project=%s version=%s ranked=%d", *self.name, self.index.count(*self.name))

    def clean_up(self) -> None:
        """Delete predictions and rankings of other versions, and weights of old ones."""
        stored = self.client.model_versions(self.project)
        for old in deletable(self.client, self.project, stored, self.version):
            self.client.delete_predictions(self.project, old)
        for old in stored.keys() - {self.version}:
            self.index.drop(self.project, old)
            self.shards.drop(self.project, old)
        if stored.get(self.version, 0) > pool.count_holding(self.session, *self.name):
            self.client.drop_repeated(*self.name)
        self.registry.prune(self.project, self.settings.keep_versions)

    # Its record -----------------------------------------------------------------------------------

    def record(self, without_text: int) -> RankingRecord:
        """What is kept of it."""
        fields = {
            "tasks": self.index.count(*self.name),
            "seconds": round(time.time() - self.step.started, 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "without_text": without_text,
        }
        return self.so_far().model_copy(update=fields)

    def read_back(self, record: RankingRecord) -> RankingRecord:
        """Compare the head of Label Studio's order with the index."""
        theirs = [task for task, _ in self.client.lowest_scores(self.project, CHECKED)]
        ours = [row.task_id for row in self.index.top(*self.name, CHECKED)]
        equal = sum(a == b for a, b in zip(theirs, ours, strict=False))
        if equal < len(ours):
            logger.warning(
                "project %s: Label Studio's order equals ours in %d of %d places", self.project, equal, len(ours)
            )
        return record.model_copy(update={"order_checked": len(ours), "order_equal": equal})

    def begin_steps(self, total: int) -> None:
        """Count the reports from here on, those of all shards together."""
        self.shared = self.shards.planned(*self.name)
        self.step = self.shards.step(*self.name, 0) if self.shared else Step(0, total, time.time())
        if self.shared:
            self.timeline.began -= time.time() - self.step.started
        self.timeline.known["ranking"] = (self.pace or 0.0) * (self.step.total - self.step.done)

    def report(self, reports: int) -> None:
        """So many more were predicted."""
        done = self.step.done + reports
        self.step = self.shards.step(*self.name, reports) if self.shared else replace(self.step, done=done)
        spent = time.time() - self.step.started
        eta = spent / self.step.done * (self.step.total - self.step.done) if self.step.done else 0.0
        self.tell(max(0.0, eta))

    def enter(self, stage: str) -> None:
        """A stage begins."""
        self.timeline.enter(stage)
        self.tell()

    def tell(self, eta: float | None = None) -> None:
        """Publish the progress; `eta` is the stage's own, the time left that is published that of the whole.

        In the first ranking of a project nobody knows it until some reports are done.
        """
        stage, whole = self.timeline.stage, self.timeline.fields(eta)
        words = f"stage {whole['stage_number']} of {whole['stages']}, {stage}"
        if stage == "ranking":
            whole |= {"step": self.step.done, "steps": self.step.total}
            words += f": report {self.step.done} of {self.step.total}"
        if eta is None and self.pace is None and stage in ("preparing", "ranking"):
            whole = {name: told for name, told in whole.items() if name not in ("eta_seconds", "share")}
        if "share" in whole:
            self.milestones.reach(whole["share"], f"{words}, {left(whole['eta_seconds'])}")
        fields = {"stage": stage, "version": self.version, **whole, "updated": time.time()}
        self.parts.queue.set_progress(self.project, "rank", fields)

    def save_durations(self) -> None:
        """Keep how long each stage took, and a report, for the next one's time left."""
        took = self.timeline.finish()
        pace = (time.time() - self.step.started) / self.step.done if self.step.done else self.pace
        self.parts.queue.save_durations(self.project, "rank", {**took, **({PACE: pace} if pace else {})})
