"""The benchmark of passages of any length: what it counts; times are not tested."""

from benchmarks.lengths import TITLE, Traffic, measure, render


def test_padding_to_a_multiple_makes_fewer_shapes() -> None:
    exact, rounded = (measure("fp32", multiple, requests=25) for multiple in (1, 16))
    assert 0 < rounded.shapes < exact.shapes


def test_the_report_has_medians() -> None:
    runs = [Traffic(speed=s, median=4.0, slow=9.5, shapes=7, grown=3.2) for s in (1, 200, 300)]
    lines = render({("int8", 8): runs}).splitlines()
    assert lines[0] == TITLE
    assert lines[-1] == "| openvino int8 | 8 | 7 | 200 | 4.00 | 9.50 | +3 |"
