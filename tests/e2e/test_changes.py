"""What annotators do to annotations, told by webhooks or not, and what the next version is made from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.stack import REPORTS, LabelProject, Stack, reports, wait_for

pytestmark = pytest.mark.e2e

GOLD = reports("gold.json")


def regions(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The gold regions of a task of the corpus."""
    return list(task["annotations"][0]["result"])


@pytest.fixture(scope="module")
def small(stack: Stack) -> LabelProject:
    """Two annotated and ten other reports: too few for the network, so that rounds take seconds."""
    config = (REPORTS / "label_config.xml").read_text("utf-8")
    tasks = [*reports("seed10.json")[:2], *({"data": task["data"]} for task in GOLD[20:30])]
    project = LabelProject.create(stack, "标注变更", config, tasks)
    project.wait_round(0)
    return project


def trained_regions(project: LabelProject) -> int:
    """Regions of all annotations that Label Studio holds and that are not skipped."""
    tasks = project.client.labelled_tasks(project.id)
    return sum(len(a["result"]) for task in tasks for a in task["annotations"] if not a["was_cancelled"])


def test_skips_drafts_and_deleted_annotations_are_left_out(small: LabelProject) -> None:
    small.wait_settled()
    by_text = {task["data"]["text"]: task for task in GOLD}
    data = small.data()
    pool = small.client.unlabelled_ids(small.id)[:5]
    gold = {task: regions(by_text[data[task]["text"]]) for task in pool}
    skipped, drafted, deleted, unskipped, updated = pool

    skip = small.annotate(skipped, gold[skipped], was_cancelled=True)
    small.http.post(f"/api/tasks/{drafted}/drafts", json={"result": gold[drafted]}).raise_for_status()
    gone = small.annotate(deleted, gold[deleted])
    small.http.delete(f"/api/annotations/{gone['id']}/").raise_for_status()
    back = small.annotate(unskipped, gold[unskipped], was_cancelled=True)
    change(small, back["id"], {"was_cancelled": False})
    new = small.annotate(updated, [])
    change(small, new["id"], {"result": gold[updated]})

    card = small.wait_trained({back["id"], new["id"]})
    assert {unskipped, updated} <= set(card["dataset"]["tasks"])
    assert not {skip["id"], gone["id"]} & set(card["dataset"]["annotations"])
    assert not {skipped, drafted, deleted} & set(card["dataset"]["tasks"])
    assert card["dataset"]["spans"] == trained_regions(small)
    assert [(r["task"], r["reason"]) for r in card["dataset"]["rejects"]] == [(skipped, "skipped or draft")]


def test_annotations_imported_silently_are_found(small: LabelProject) -> None:
    before = set(small.wait_trained(set())["dataset"]["annotations"])
    (task,) = small.import_tasks([{"data": GOLD[0]["data"], "annotations": [{"result": regions(GOLD[0])}]}])
    (annotation,) = small.http.get(f"/api/tasks/{task}/annotations/").raise_for_status().json()
    card = small.wait_trained({annotation["id"]})
    assert set(card["dataset"]["annotations"]) == before | {annotation["id"]}


def test_an_annotation_made_a_draft_again_is_no_longer_trained_on(small: LabelProject) -> None:
    annotations = small.wait_trained(set())["dataset"]["annotations"]
    draft = annotations[0]
    small.http.post(f"/api/annotations/{draft}/convert-to-draft", json={}).raise_for_status()
    wait_for(
        lambda: small.settled() and small.newest()["dataset"]["annotations"] == annotations[1:],
        "a version without the draft",
    )


def change(project: LabelProject, annotation: int, fields: dict[str, Any]) -> None:
    """Update an annotation as the editor does."""
    project.http.patch(f"/api/annotations/{annotation}/", json=fields).raise_for_status()


def test_a_new_label_that_nobody_used_costs_a_ranking_and_no_round(small: LabelProject) -> None:
    before, old = small.wait_settled(), small.client.project(small.id).label_config
    config = old.replace('<Label value="心率"', '<Label value="EXTRA"/><Label value="心率"')
    assert config != old
    small.http.patch(f"/api/projects/{small.id}/", json={"label_config": config}).raise_for_status()

    def ranked() -> dict[str, Any] | None:
        status = small.settled()
        said = status["outcomes"]["retrain"]["message"] if status else ""
        return (
            status if status and said.startswith("nothing changed") and "EXTRA" in status["ranking"]["labels"] else None
        )

    after = wait_for(ranked, "a ranking for the new labels")
    assert after["rounds"] == before["rounds"]
    assert after["left_out"]["round"] == before["rounds"][0]["round"]
    assert (after["serving"], after["ranking"]["tasks"]) == (before["serving"], before["ranking"]["tasks"])
