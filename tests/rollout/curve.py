"""The curve of reconnects as an SVG: a band for each way, seconds to the right, reconnects a second upwards.

Pure. The dashed line is R, what the fleet may close in a second.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.rollout.measure import Measured

WIDTH, BAND, LEFT, RIGHT, TOP, FOOT = 760, 96, 44, 12, 22, 30
INK, LINE, FILL, LIMIT = "#444", "#1f6feb", "#1f6feb33", "#c0392b"
EVERY_S = 20
"""Between two marks of the time."""


def drawn(ways: Sequence[Measured], rate: int) -> str:
    """The whole picture."""
    seconds = max(len(way.curve) for way in ways)
    most = max(rate, *(max(way.curve, default=0) for way in ways))
    height = len(ways) * BAND + FOOT
    bands = [_band(way, place, rate, seconds, most) for place, way in enumerate(ways)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="11" fill="{INK}">'
    )
    return "\n".join([head, *bands, _axis(seconds, height), "</svg>"]) + "\n"


def _band(way: Measured, place: int, rate: int, seconds: int, most: int) -> str:
    top, floor = place * BAND + TOP, (place + 1) * BAND - 6

    def x(second: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * second / seconds:.1f}"

    def y(value: float) -> str:
        return f"{floor - (floor - top) * value / most:.1f}"

    steps = [f"{x(at)},{y(value)} {x(at + 1)},{y(value)}" for at, value in enumerate(way.curve)]
    line = " ".join(steps)
    across = f'x1="{LEFT}" x2="{WIDTH - RIGHT}"'
    return "\n".join(
        [
            f'<text x="{LEFT}" y="{top - 8}">{escape(way.told)}</text>',
            f'<polygon points="{x(0)},{floor} {line} {x(len(way.curve))},{floor}" fill="{FILL}"/>',
            f'<polyline points="{line}" fill="none" stroke="{LINE}"/>',
            f'<line {across} y1="{floor}" y2="{floor}" stroke="{INK}"/>',
            f'<line {across} y1="{y(rate)}" y2="{y(rate)}" stroke="{LIMIT}" stroke-dasharray="4 3"/>',
            f'<text x="{LEFT - 6}" y="{y(rate)}" text-anchor="end" fill="{LIMIT}">R = {rate}</text>',
        ]
    )


def _axis(seconds: int, height: int) -> str:
    marks = []
    for second in range(0, seconds + 1, EVERY_S):
        x = LEFT + (WIDTH - LEFT - RIGHT) * second / seconds
        marks.append(f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle">{second} s</text>')
    return "\n".join(marks)
