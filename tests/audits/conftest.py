"""The small trained run of the codec's tests."""

from tests.codec.conftest import run_command, trained  # noqa: F401
