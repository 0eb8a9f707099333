from __future__ import annotations

import pytest

from backend.errors import LabelConfigError
from backend.labelstudio.config import LabelConfig, parse_label_config

TEXT = '<Text name="text" value="$text"/>'
LABELS = '<Labels name="label" toName="text"><Label value="HR"/></Labels>'


def test_labels_and_text_may_come_in_any_order() -> None:
    expected = LabelConfig("label", "text", "text", ("HR",))
    assert parse_label_config(f"<View>{TEXT}{LABELS}</View>") == expected
    assert parse_label_config(f"<View>{LABELS}{TEXT}</View>") == expected


def test_alias_comes_before_value() -> None:
    xml = (
        f'<View><Labels name="l" toName="text"><Label value="心率" alias="HR"/><Label value="B"/></Labels>{TEXT}</View>'
    )
    assert parse_label_config(xml).labels == ("HR", "B")


def test_labels_keep_their_order_and_make_the_scheme() -> None:
    xml = f'<View><Labels name="l" toName="text"><Label value="B"/><Label value="A"/></Labels>{TEXT}</View>'
    assert parse_label_config(xml).scheme.tags == ("O", "B-B", "I-B", "B-A", "I-A")


def test_labels_inside_nested_views_count() -> None:
    labels = '<Labels name="l" toName="text"><View><View><Label value="A"/></View></View></Labels>'
    xml = f"<View>{labels}<View>{TEXT}</View></View>"
    assert parse_label_config(xml).labels == ("A",)


def test_choices_and_other_controls_beside_are_ignored() -> None:
    choices = (
        '<Choices name="c" toName="text"><Choice value="bad"/></Choices><Relations><Relation value="r"/></Relations>'
    )
    assert parse_label_config(f"<View>{choices}{LABELS}{TEXT}</View>").labels == ("HR",)


def test_the_first_labels_tag_bound_to_a_text_tag_is_used() -> None:
    xml = (
        '<View><Image name="image" value="$image"/><Labels name="boxes" toName="image"><Label value="X"/></Labels>'
        '<Text name="a" value="$a"/><Text name="b" value="$b"/>'
        '<Labels name="first" toName="b"><Label value="Y"/></Labels>'
        '<Labels name="second" toName="a"><Label value="Z"/></Labels></View>'
    )
    assert parse_label_config(xml) == LabelConfig("first", "b", "b", ("Y",))


def test_of_several_targets_the_text_tag_is_taken() -> None:
    xml = f'<View><Labels name="l" toName="gone, text"><Label value="A"/></Labels>{TEXT}</View>'
    assert parse_label_config(xml).to_name == "text"


def test_an_empty_labels_tag_gives_way_to_a_later_one() -> None:
    xml = f'<View><Labels name="empty" toName="text"/>{LABELS}{TEXT}</View>'
    assert parse_label_config(xml).from_name == "label"


def test_nested_data_keys_are_paths() -> None:
    xml = f'<View>{LABELS}<Text name="text" value="$report.body"/></View>'
    assert parse_label_config(xml).text_key == "report.body"


def test_a_declared_encoding_and_comments_do_no_harm() -> None:
    xml = f'\n<?xml version="1.0" encoding="GB2312"?><View><!-- 心电图 --><?x y?>{LABELS}{TEXT}</View>'
    assert parse_label_config(xml).labels == ("HR",)


@pytest.mark.parametrize(
    ("xml", "missing"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("<View>", "is not XML"),
        ("心率", "is not XML"),
        ("<View>\ud83d</View>", "is not XML"),
        ("<View/>", "has no Text tag"),
        (f"<View>{TEXT}</View>", "has no Labels tag"),
        (f'<View>{TEXT}<Labels name="l"><Label value="A"/></Labels></View>', "has no Labels tag"),
        (f"<View>{LABELS}</View>", "has no Text tag"),
        (f'<View>{LABELS}<HyperText name="text" value="$text"/></View>', "has no Text tag"),
        (f'<View>{LABELS}<Text name="text" value="fixed"/></View>', 'value="fixed"'),
        (f'<View>{LABELS}<Text name="text" value="$a and $b"/></View>', 'value="\\$a and \\$b"'),
        (f'<View>{LABELS}<Text name="text" value="$url" valueType="url"/></View>', 'valueType="url"'),
        (f'<View>{LABELS}<Text name="other" value="$text"/></View>', "names a Text tag"),
        (f'<View><Labels name="l" toName="text"/>{TEXT}</View>', "has no Label inside"),
        (f'<View><Labels name="l" toName="text" value="$tags"/>{TEXT}</View>', 'value="\\$tags"'),
        (f'<View><Labels name="l" toName="text"><Label value="$tag"/></Labels>{TEXT}</View>', 'value="\\$tag"'),
        (f'<View>{LABELS}<Text name="text" value="$text" encoding="base64"/></View>', 'encoding="base64"'),
        (
            f'<View>{LABELS}<Text name="text" value="$text" encoding="base64unicode"/></View>',
            'encoding="base64unicode"',
        ),
        (f'<View>{LABELS}<Text name="text" value="$text" encoding="gb2312"/></View>', 'encoding="gb2312"'),
        (f'<View>{LABELS}<Text name="text"/></View>', 'value=""'),
        (f'<View>{LABELS}<Text name="text" value="$rows[0].text"/></View>', 'value="\\$rows'),
        (f'<View>{LABELS}<Paragraphs name="text" value="$text"/></View>', "it has Paragraphs"),
        (f'<View>{TEXT}<Choices name="c" toName="text"><Choice value="a"/></Choices></View>', "it has Choices"),
        (f'<View>{TEXT}<Taxonomy name="c" toName="text"><Choice value="a"/></Taxonomy></View>', "it has Taxonomy"),
        (f'<View>{TEXT}<Labels name="l" toName="gone"><Label value="A"/></Labels></View>', 'toName="gone"'),
        (f"{'<View>' * 300}{TEXT}{LABELS}{'</View>' * 300}", "cannot be read"),
    ],
)
def test_what_is_missing_is_named(xml: str, missing: str) -> None:
    with pytest.raises(LabelConfigError, match=missing) as raised:
        parse_label_config(xml)
    assert raised.value.hint


def test_what_changes_only_the_interface_is_no_obstacle() -> None:
    text = '<Text name="text" value="$text" encoding="none" granularity="word" valueType="text" saveTextResult="no"/>'
    choices = '<Choices name="c" toName="text"><Choice value="a"/></Choices>'
    shown = f'<View visibleWhen="choice-selected" whenTagName="c">{choices}</View>'
    assert parse_label_config(f"<View>{shown}{LABELS}{text}</View>") == LabelConfig("label", "text", "text", ("HR",))


def test_a_label_that_is_written_twice_counts_once() -> None:
    twice = '<Labels name="label" toName="text"><Label value="HR"/><Label value="HR"/></Labels>'
    assert parse_label_config(f"<View>{twice}{TEXT}</View>").labels == ("HR",)


def test_an_encoded_text_tag_gives_way_to_one_that_can_be_read() -> None:
    encoded = '<Text name="a" value="$a" encoding="base64"/><Labels name="x" toName="a"><Label value="X"/></Labels>'
    assert parse_label_config(f"<View>{encoded}{LABELS}{TEXT}</View>").to_name == "text"


def test_document_types_are_refused_before_any_entity_is_expanded() -> None:
    bomb = '<!DOCTYPE v [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    external = '<!DOCTYPE v [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    for doctype, entity in ((bomb, "&c;"), (external, "&f;"), ("<!DOCTYPE View>", "")):
        with pytest.raises(LabelConfigError, match="document type"):
            parse_label_config(f"{doctype}<View>{LABELS}{TEXT}{entity}</View>")
