"""What a command says of itself, and what the shell completes of it."""

import os
import shlex
import subprocess
import sys

import pytest
import typer.main

from kerasae.cli.app import app
from kerasae.errors import KerasaeError, printable


def commands(command, path=()):
    """Yield every command and group with the words that lead to it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


TREE = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_help_ends_in_an_example_that_is_one(path):
    epilog = TREE[path].epilog
    assert epilog.startswith("Example: kerasae ")
    words = shlex.split(epilog.removeprefix("Example: kerasae "))
    assert tuple(words[: len(path)]) == path
    command, context = TREE[()], None
    # What parses goes on to the command that is named, and so on.
    while True:
        context = command.make_context(command.name, words, parent=context)
        if not getattr(command, "commands", None) or not context._protected_args + context.args:
            break
        _, command, words = command.resolve_command(context, context._protected_args + context.args)


def completions(line, tmp_path):
    """Return what bash would offer for the last word of ``line``."""
    words = line.split(" ")
    asked = {"_KERASAE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    environment = os.environ | asked | {"KERASAE_RUNS": str(tmp_path)}
    script = "import sys; sys.argv = ['kerasae']; from kerasae.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    return done.stdout.split()


def test_runs_studies_and_recipes_are_completed(tmp_path):
    for name, file in (("ae_l2-0a0b0c0d-jax-0", "run.json"), ("study-quick-01234567", "study.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    (tmp_path / "ae_mine.toml").write_text("")
    assert completions("kerasae evaluate ae", tmp_path) == ["ae_l2-0a0b0c0d-jax-0"]
    assert completions("kerasae report study", tmp_path) == ["study-quick-01234567"]
    assert {"ae_baseline", "ae_mine.toml"} <= {*completions("kerasae train ae", tmp_path)}
    assert completions("kerasae study qu", tmp_path) == ["quick"]


def test_what_a_terminal_would_obey_is_written_out():
    assert printable("a\x1b[31m\u202e\udcff\x9b") == "a\\x1b[31m\\u202e\\udcff\\x9b"
    assert printable("Grüße – 1×2\n", keep="\n") == "Grüße – 1×2\n"
    assert str(KerasaeError("\x1b]0;title\x07.kae\nerror: no")) == "\\x1b]0;title\\x07.kae\\nerror: no"
