"""Two projects with different label sets side by side, and a label set that changes while a model serves."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.e2e.stack import PASSWORD, USER, LabelProject, Stack, wait_for

pytestmark = pytest.mark.e2e

LABELS = ("NAME", "ORG", "TITLE", "EDU")
ANNOTATED = """\
[林晓彤|NAME]，[华东数据研究院|ORG][算法工程师|TITLE]，[硕士|EDU]学历。
[周子昂|NAME]先生现任[青石科技有限公司|ORG][董事长|TITLE]，[本科|EDU]毕业。
[何雨薇|NAME]女士，曾任[南山银行|ORG][财务总监|TITLE]。
[陈柏年|NAME]，[博士|EDU]，现为[临江大学|ORG][教授|TITLE]。
[苏明远|NAME]自2015年起担任[海岳证券|ORG][副总经理|TITLE]。
[赵清和|NAME]：[北辰医院|ORG][主任医师|TITLE]，[博士|EDU]学历。
[许若兰|NAME]女士为[云帆物流集团|ORG][人事经理|TITLE]。
[郑一鸣|NAME]，[大专|EDU]学历，[金穗食品厂|ORG][厂长|TITLE]。
[方思远|NAME]先生历任[星河软件公司|ORG][项目经理|TITLE]、[总经理|TITLE]。
[梁书航|NAME]，[硕士|EDU]，[临江大学|ORG][讲师|TITLE]。
[唐可欣|NAME]现任[青石科技有限公司|ORG][独立董事|TITLE]。
[冯立群|NAME]先生，[南山银行|ORG][行长|TITLE]，[本科|EDU]学历。""".splitlines()
POOL = """\
[顾长风|NAME]，[硕士|EDU]学历，[北辰医院|ORG][院长|TITLE]。
[罗佳音|NAME]女士现任[海岳证券|ORG][分析师|TITLE]，[本科|EDU]毕业。
[邵文轩|NAME]，[星河软件公司|ORG][工程师|TITLE]，精通[英语|SKILL]。
[姚静怡|NAME]曾任[云帆物流集团|ORG][秘书|TITLE]。""".splitlines()
MARK = re.compile(r"\[([^|\]]+)\|([A-Z]+)\]")


def config(labels: tuple[str, ...]) -> str:
    """A labelling configuration without aliases."""
    rows = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<View><Labels name="entity" toName="cv">{rows}</Labels><Text name="cv" value="$text"/></View>'


def unmarked(line: str) -> dict[str, Any]:
    """A task and its regions from a marked line."""
    text, result, end = "", [], 0
    for mark in MARK.finditer(line):
        text += line[end : mark.start()]
        value = {"start": len(text), "end": len(text) + len(mark[1]), "text": mark[1], "labels": [mark[2]]}
        result.append({"from_name": "entity", "to_name": "cv", "type": "labels", "value": value})
        text, end = text + mark[1], mark.end()
    return {"data": {"text": text + line[end:]}, "annotations": [{"result": result}]}


def labels_of(predictions: list[dict[str, Any]]) -> set[str]:
    return {label for p in predictions for region in p["result"] for label in region["value"]["labels"]}


def predict(stack: Stack, project: LabelProject, texts: list[str]) -> list[dict[str, Any]]:
    """What /predict answers with the project's present configuration."""
    fields = project.client.project(project.id)
    body = {"tasks": [{"data": {"text": t}} for t in texts], "project": project.id, "label_config": fields.label_config}
    answer = httpx.post(f"{stack.url}/predict", json=body, auth=(USER, PASSWORD), timeout=60).raise_for_status()
    return list(answer.json()["results"])


@pytest.fixture(scope="module")
def resumes(stack: Stack) -> LabelProject:
    """Twelve annotated and four other résumés; a trained network serves them."""
    tasks = [unmarked(line) for line in ANNOTATED] + [{"data": unmarked(line)["data"]} for line in POOL]
    project = LabelProject.create(stack, "简历识别", config(LABELS), tasks)
    version = project.wait_round(0)["rounds"][0]["version"]
    if project.status()["serving"] != version:
        project.serve(version)
    return project


def test_two_projects_keep_to_their_own_labels_versions_and_queues(
    stack: Stack, ecg: LabelProject, resumes: LabelProject
) -> None:
    ecg.wait_settled()
    theirs = resumes.wait_settled()
    assert resumes.newest()["training"]["iterations"] > 0
    assert set(resumes.newest()["labels"]) == set(LABELS)
    assert resumes.in_label_studio() == (theirs["serving"], theirs["serving"])
    assert ecg.in_label_studio()[0] != theirs["serving"]
    for project in (ecg, resumes):
        assert sorted(project.queue(10_000)) == project.client.unlabelled_ids(project.id)
        versions = {card["version"] for card in stack.json("models", "--project", project.id)}
        assert {prediction["model_version"] for prediction in project.predictions()} <= versions
    assert len(resumes.queue(100)) == len(POOL)
    ecg_labels = {"HR", "VALUE", "TIME", "EVENT", "DIAG"}
    assert labels_of(resumes.predictions()) <= set(LABELS)
    assert labels_of(ecg.predictions()) <= ecg_labels
    mixed = ["窦性心律，心率72次/分，频发室性早搏。", unmarked(ANNOTATED[0])["data"]["text"]]
    assert labels_of(predict(stack, ecg, mixed)) <= ecg_labels
    found = labels_of(predict(stack, resumes, mixed))
    assert found
    assert found <= set(LABELS)


def test_labels_come_and_go_while_a_model_serves(stack: Stack, resumes: LabelProject) -> None:
    resumes.wait_settled()
    before = resumes.newest()
    assert "EDU" in before["labels"]
    present = ("NAME", "ORG", "TITLE", "SKILL")
    # Label Studio accepts this although annotations use EDU.
    change = {"label_config": config(present)}
    resumes.http.patch(f"/api/projects/{resumes.id}/", json=change).raise_for_status()

    texts = [unmarked(line)["data"]["text"] for line in (*ANNOTATED, *POOL)]
    answers = predict(stack, resumes, texts)
    assert len(answers) == len(texts)
    assert labels_of(answers)
    assert labels_of(answers) <= set(present)
    assert {answer["model_version"] for answer in answers} == {before["version"]}

    line = next(line for line in POOL if "SKILL" in line)
    new = unmarked(line)
    (task,) = (task for task, data in resumes.data().items() if data == new["data"])
    made = resumes.annotate(task, new["annotations"][0]["result"])
    card = resumes.wait_trained({made["id"]})
    assert set(card["labels"]) == set(present)
    assert card["dataset"]["hash"] != before["dataset"]["hash"]
    assert len(card["dataset"]["rejects"]) == sum("|EDU]" in line for line in ANNOTATED)
    assert all("'EDU' is not in the labelling configuration" in r["reason"] for r in card["dataset"]["rejects"])
    if resumes.status()["serving"] != card["version"]:
        resumes.serve(card["version"])
    wait_for(lambda: resumes.settled() and labels_of(resumes.predictions()) <= set(present), "labels of the new set")
