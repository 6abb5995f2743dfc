"""What JAX compiled is kept in the cache folder, and found again by the next process."""

import os
import subprocess
import sys

import pytest

from kerasae import runtime
from tests.conftest import BACKEND

_SCRIPT = """
from kerasae.runtime import choose_backend
choose_backend()
import jax, keras
keras.ops.convert_to_numpy(jax.jit(lambda x: (x @ x).sum())(keras.ops.ones((64, 64))))
"""


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """An environment as a user has it, its caches in a folder of the test's own."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERASAE_CACHE", str(tmp_path))
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    return monkeypatch


def test_the_folder_lies_in_kerasae_s_cache_by_processor(settings, tmp_path):
    runtime._keep_compiled_programs()
    folder = os.environ["JAX_COMPILATION_CACHE_DIR"]
    assert folder.startswith(str(tmp_path / "jax"))
    assert runtime.compiled_programs() == (folder, 0)


def test_an_environment_that_says_something_itself_is_left_alone(settings, tmp_path):
    settings.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "own"))
    runtime._keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "own")
    settings.delenv("JAX_COMPILATION_CACHE_DIR")
    settings.setenv("JAX_ENABLE_COMPILATION_CACHE", "false")
    runtime._keep_compiled_programs()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert runtime.compiled_programs() == ("", 0)


def test_the_oldest_programs_go_where_there_are_too_many(settings, tmp_path):
    folder = tmp_path / "jax" / runtime._processor()
    folder.mkdir(parents=True)
    for age in range(4):
        path = folder / f"program-{age}"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    settings.setattr(runtime, "_MOST_COMPILED_BYTES", 250)
    runtime._keep_compiled_programs()
    assert sorted(path.name for path in folder.iterdir()) == ["program-0", "program-1"]


@pytest.mark.skipif(BACKEND != "jax", reason="JAX alone keeps what it compiled")
def test_a_second_process_finds_what_the_first_compiled(settings, tmp_path):
    settings.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    seen = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        seen.append({path.name: path.stat().st_mtime_ns for path in (tmp_path / "jax").rglob("*-cache")})
    assert seen[0]
    assert seen[0] == seen[1]
