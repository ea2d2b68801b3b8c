"""How stages are drawn, in any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.cli.waterfall import Bar, waterfall

STAGES = [
    Bar("event → log", 0, 812_000),
    Bar("log → agent", 812_000, 815_000),
    Bar("agent → applied", 815_000, 815_400),
    Bar("applied → read now", 815_400, 3_600_000_000, is_open=True),
]
SPANS = [
    Bar("source flights", 0, 60_000, "job"),
    Bar(" send", 10_000, 50_000, "job", "unknown"),
    Bar("  deliver", 50_000, 120_000, "syncline-agent", "at the broker"),
    Bar("  process", 120_000, 125_000, "syncline-agent"),
]


def drawn(bars: list[Bar], width: int) -> str:
    """The lines, as a terminal shows them."""
    return "\n".join(waterfall(bars, width=width))


def test_stages_stand_on_one_line_of_time() -> None:
    """What took no time to be seen is a stroke; a wait that still lasts takes a fifth, however long it is."""
    assert drawn(STAGES, 70) == (
        "event → log         █████████████████████████████               812 ms\n"
        "log → agent                                      ▏              3.0 ms\n"
        "agent → applied                                  ▏              0.4 ms\n"
        "applied → read now                               ╌╌╌╌╌╌╌╌  59 min 59 s"
    )


def test_spans_say_who_and_what_was_odd() -> None:
    """Where there is room."""
    assert drawn(SPANS, 90) == (
        "source flights  job             █████████████████                     60 ms\n"
        " send           job               ███████████                         40 ms  unknown\n"
        "  deliver       syncline-agent               ████████████████████     70 ms  at the broker\n"
        "  process       syncline-agent                                   █   5.0 ms"
    )


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            60,
            [
                "source flights  ██████████              60 ms",
                " send            ███████                40 ms  unknown",
                "  deliver               ████████████    70 ms  at the broker",
                "  process                           █  5.0 ms",
            ],
        ),
        (
            30,
            [
                "source flights   60 ms",
                " send            40 ms  unkno…",
                "  deliver        70 ms  at th…",
                "  process       5.0 ms",
            ],
        ),
        (16, ["source …   60 ms", " send      40 ms", "  deliv…   70 ms", "  proce…  5.0 ms"]),
    ],
)
def test_what_does_not_fit_goes_who_it_was_first(width: int, lines: list[str]) -> None:
    """Then the bars; what it is and how long it took stay."""
    assert waterfall(SPANS, width=width) == lines


def test_no_time_at_all_is_no_error() -> None:
    """Clocks that differ, or one moment alone."""
    assert drawn([Bar("event → log", 5, 3, note="clocks differ")], 60) == (
        "event → log  ▏                         0.0 ms  clocks differ"
    )
    assert waterfall([], width=60) == []


TIMES = st.integers(min_value=0, max_value=2**62)


@given(
    st.lists(
        st.builds(
            Bar,
            label=st.text(max_size=60),
            start_us=TIMES,
            end_us=TIMES,
            who=st.text(max_size=30),
            note=st.text(max_size=30),
            is_open=st.booleans(),
        ),
        max_size=6,
    ),
    st.integers(min_value=32, max_value=200),
)
def test_no_line_is_wider_than_it_may_be(bars: list[Bar], width: int) -> None:
    """Whatever others call their spans, and whenever they say they were."""
    lines = waterfall(bars, width=width)

    assert len(lines) == len(bars)
    assert [line for line in lines if len(line) > width] == []
