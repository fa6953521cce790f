"""What a log may say of an exception."""

from services.shared.runtime.whereabouts import whereabouts

SECRET = "my PIN is 4711"


def quoting() -> None:
    raise ValueError(SECRET)


def wrapping() -> None:
    try:
        quoting()
    except ValueError as error:
        raise RuntimeError(f"while saying {SECRET!r}") from error


def caught() -> Exception:
    try:
        wrapping()
    except RuntimeError as error:
        return error
    raise AssertionError


def test_types_files_and_functions_are_told_and_no_text():
    told = whereabouts(caught())
    assert told["error"] == "RuntimeError < ValueError"
    frames = told["frames"]
    assert isinstance(frames, list)
    assert [frame.rsplit(":", 1)[1] for frame in frames] == ["caught", "wrapping", "wrapping", "quoting"]
    assert all(frame.startswith("unit/runtime/test_whereabouts.py:") for frame in frames)
    assert SECRET not in str(told)


def test_no_exception_has_no_frames():
    assert whereabouts(None) == {"error": "", "frames": []}
