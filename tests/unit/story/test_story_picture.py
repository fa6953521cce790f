"""The picture of one message: of every recorded span a bar, the dead attempt red, the link drawn."""

from xml.etree import ElementTree as ET

from services.local.collected import Collected, Told
from services.shared.runtime.tracing.names import SEND
from tests.story.picture import LINK, LOST, PICTURE, RECORDED, drawn, of_file

SVG = "{http://www.w3.org/2000/svg}"


def recorded() -> list[Told]:
    collected = Collected(RECORDED)
    [sent] = [span for span in collected.naming(SEND.name) if span.name == SEND.name]
    [spans] = collected.traces([sent.trace])
    return spans


def test_each_span_has_a_name_and_a_bar_and_nothing_leaves_the_picture() -> None:
    spans = recorded()
    picture = ET.fromstring(drawn(spans))
    bars = picture.findall(f"{SVG}rect")
    assert len(bars) == len(spans)
    names = [text.text for text in picture.findall(f"{SVG}text")]
    assert all(names.count(span.name) == [one.name for one in spans].count(span.name) for span in spans)
    wide, high = float(picture.get("width", 0)), float(picture.get("height", 0))
    for bar in bars:
        assert 0 <= float(bar.get("x", -1)) <= wide - float(bar.get("width", 0))
        assert 0 <= float(bar.get("y", -1)) <= high - float(bar.get("height", 0))


def test_the_dead_attempt_is_red_and_the_next_one_leads_to_it() -> None:
    picture = ET.fromstring(drawn(recorded()))
    assert [bar.get("fill") for bar in picture.findall(f"{SVG}rect")].count(LOST) == 1
    assert [path.get("stroke") for path in picture.findall(f"{SVG}path")] == [LINK]


def test_the_recorded_story_is_whole() -> None:
    spans = recorded()
    ids = [span.id for span in spans]
    assert len(ids) == len(set(ids))
    assert [span.name for span in spans if span.parent not in ids] == [SEND.name]
    assert {span.node for span in spans} == {"server-a", "server-b", "worker-1", "worker-2"}


def test_the_picture_is_fresh() -> None:
    assert PICTURE.read_text() == of_file(RECORDED)
