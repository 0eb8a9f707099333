"""`ecgal errors`: what a model, the rules or the serving version get wrong, and what to annotate next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from backend import overview
from backend.error_analysis import ErrorAnalysis
from backend.errors import BackendError
from backend.files import write_atomic
from backend.predictor import Predictor, RulesPredictor
from backend.registry import RULES_VERSION
from backend.settings import Settings
from cli.corpus import annotators_option, label_config_option, read_data
from cli.error_tables import tables
from cli.project import json_option, parts
from trainer.copies import learned_by, merged, notes
from trainer.dataset import Report
from trainer.error_analysis import analyse, render, without_texts
from trainer.evaluation import Found, predict_spans
from trainer.offline import open_saved

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Annotated reports to analyse the predictions of.")
@label_config_option
@annotators_option
@click.option("--model", type=FOLDER, help="Model folder; without it the rules are analysed.")
@click.option("--project", "-p", help="Instead of --data: the stored analysis of the project's serving version.")
@click.option("--html", type=FILE, help="Write a page with every report that has errors.")
@click.option("--no-text", is_flag=True, help="Quote no report, neither in the page nor here.")
@click.option("--top", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Rows of each list.")
@json_option
def errors(
    data: Path | None,
    label_config: Path | None,
    annotators: str,
    model: Path | None,
    project: str | None,
    html: Path | None,
    no_text: bool,
    top: int,
    as_json: bool,
) -> None:
    """Missed, spurious, boundary and label errors, their patterns, and what to annotate next."""
    if (data is None) == (project is None) or (project is not None and model is not None):
        raise click.UsageError("Which reports? Give --data FILE, with or without --model DIR, or --project ID alone.")
    analysed = _stored(project) if data is None else _computed(data, label_config, annotators, model)
    if no_text:
        analysed = replace(analysed, analysis=without_texts(analysed.analysis))
    if html:
        analysed.write_page(html, top)
    click.echo(analysed.analysis.model_dump_json() if as_json else tables(analysed.analysis, top))


@dataclass(frozen=True)
class _Analysed:
    """An analysis, what the page is called, and the reports with what was found, where they are at hand."""

    analysis: ErrorAnalysis
    title: str
    reports: tuple[Report, ...] = ()
    found: Found = field(default_factory=dict)

    def write_page(self, path: Path, top: int) -> None:
        """Write the page aside and rename it, readable by the owner only if it quotes reports."""
        page = render(self.analysis, self.reports, self.found, title=self.title, top=top)
        try:
            write_atomic(path, page, mode=0o600 if self.analysis.texts else 0o644)
        except OSError as error:
            raise BackendError("Cannot write the page", path, error.strerror or type(error).__name__) from None


def _stored(project: str | None) -> _Analysed:
    """The analysis that the last round of the serving version left."""
    analysis = overview.analysis_of(parts(), project or "")
    return _Analysed(analysis, f"project {project}")


def _computed(data: Path, label_config: Path | None, annotators: str, model: Path | None) -> _Analysed:
    """The analysis of a model, or of the rules, on annotated reports."""
    corpus = read_data(data, label_config, annotators)
    labels = corpus.dataset.labels
    reports, differing = merged(corpus.dataset.reports)
    saved = open_saved(model, Settings.from_env(), labels) if model else None
    predictor = saved.predictor if saved else _rules(labels)
    told = notes(corpus.dataset.reports, reports, differing)
    if both := len(learned_by(reports, saved.card.training if saved else None)):
        told.append(f"The model was trained on {both} of the {len(reports)} reports: it errs less on them.")
    for note in told:
        click.echo(f"note: {note}", err=True)
    found = predict_spans(predictor, reports)
    return _Analysed(analyse(reports, found, labels, version=predictor.version), data.name, tuple(reports), found)


def _rules(labels: tuple[str, ...]) -> Predictor:
    return RulesPredictor(RULES_VERSION, labels)
