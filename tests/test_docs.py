"""README and docs: examples run, commands and recipes exist, links lead somewhere."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import typer
from PIL import Image

from kerasae import recipes
from kerasae.cli.app import app
from tests.conftest import smooth_images

TOP = Path(__file__).parents[1]
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md"))]
# Their commands are run, one after the other; those of other pages are parsed and their recipes read.
RUN = {"get_started.md"}
_BLOCK = re.compile(r"^(?:<!-- test: skip, ([^\n]+) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"[A-Z]+…?$")
# What makes the shipped recipes small: of each key, where the recipe's parts have it.
_SMALL = {"data": {"image_size": 32, "limit": 12}, "training": {"epochs": 1, "batch_size": 8}}
_SMALL["model"] = {"widths": [4, 6], "latent_channels": 4, "hyper_width": 8, "hyper_channels": 16}
_SMALL["model"] |= {"hidden": [16], "latent_size": 4}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page, *languages):
    """Yield language and text of each block that is not to be skipped."""
    for _, language, text in (found for found in _BLOCK.findall(page.read_text("utf-8")) if not found[0]):
        if language in languages:
            yield language, text


def commands(text):
    """Yield the words of each command of a block, without what is set in front of it."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            while command and re.match(r"[A-Z_]+=", command[0]):
                command = command[1:]
            if command:
                yield command


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in: folders of images under the names that the pages use, and the shipped recipes made small."""
    for name, channels in (("photos", 3), ("others", 3), ("faces", 1)):
        (tmp_path / name).mkdir()
        for number, image in enumerate(smooth_images(8, 48, channels)):
            Image.fromarray(image.squeeze()).save(tmp_path / name / f"{number:03}.png")
        rows = "".join(f"{number:03}.png,p{number % 4}\n" for number in range(8))
        (tmp_path / name / "labels.csv").write_text("file,identity\n" + rows)
    folder = tmp_path / "shipped" / "recipes"
    shutil.copytree(recipes.load.shipped_folder("recipes"), folder)
    for path in recipes.shipped_recipes():
        if not recipes.is_noise_sweep(path):
            recipe = recipes.load_recipe(path)
            small = ["objective.lambdas=[0.01, 0.04]"] if recipe.model.has_entropy_model else []
            for section, keys in _SMALL.items():
                known = type(getattr(recipe, section)).model_fields
                small += [f"{section}.{key}={value}" for key, value in keys.items() if key in known]
            (folder / path.name).write_text(recipes.to_toml(recipes.load_recipe(path, set=small)))
    monkeypatch.setattr("kerasae.recipes.load.shipped_folder", lambda name: tmp_path / "shipped" / name)
    monkeypatch.setenv("KERASAE_RUNS", str(tmp_path / "runs"))
    monkeypatch.syspath_prepend(TOP / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(words):
    """Return the names of a command of kerasae's, and its parameters, as the real command line reads them."""
    command, names = typer.main.get_command(app), []
    words = [word for word in words if word != "--trust-code"]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        names.append(words.pop(0))
        assert names[-1] in command.commands, f"there is no command kerasae {' '.join(names)}"
        command = command.commands[names[-1]]
    return names, command.make_context(" ".join(names), words).params


def check_kerasae(words):
    names, given = parsed(words)
    recipe = given.get("recipe")
    if recipe is None or _PLACEHOLDER.match(recipe):
        return
    shipped = {path.stem for path in recipes.shipped_recipes("studies")}
    if names[0] == "study" or recipe in shipped or (Path(recipe).is_file() and recipes.is_study(recipe)):
        recipes.load_study(recipe)
    else:
        changes = {key: given[key] for key in ("data", "epochs", "seed") if given.get(key) is not None}
        recipes.load_recipe(recipe, **changes, set=given.get("set") or ())


def check(words):
    """Check one command: of kerasae's all of it, of other programs what this project says of them."""
    program = words[0]
    if program == "kerasae":
        check_kerasae(words[1:])
    elif program == "pip":
        extras = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        for name in re.findall(r"\[(\w+)\]", " ".join(words)):
            assert name in extras, f"pyproject.toml has no extra {name}"
    elif program in ("pytest", "python"):
        for path in (word.split("::")[0] for word in words[1:] if "/" in word or word.endswith(".py")):
            assert (TOP / path).exists(), f"{path} is not here"
    else:
        assert program in {".", "python3", "ruff", "mkdocs"}, f"{program} is a command not known here"


@each_page
def test_examples(page, place, kerasae):
    """Python blocks of a page share their names; a TOML block whose first line names a file is written to it."""
    names = {}
    for language, text in blocks(page, "python", "toml", "sh", "console"):
        if language == "python":
            exec(compile(re.sub(r"epochs=\d+", "epochs=1", text), page.name, "exec"), names)
        elif language == "toml":
            named = re.match(r"# (\w+\.toml)\n", text)
            path = place / (named[1] if named else "example.toml")
            path.write_text(text, "utf-8")
            check_toml(path)
        else:
            for words in commands(text):
                check(words)
                if page.name in RUN and words[0] == "kerasae":
                    code, _, error = kerasae(*words[1:], *(["--epochs", 1] if "--epochs" in words else []))
                    assert code == 0, f"{words}: {error}"


def check_toml(path):
    plain = recipes.read_toml(path)
    if "project" in plain:
        return
    if recipes.is_study(path):
        recipes.load_study(path)
    elif recipes.is_noise_sweep(path):
        recipes.load_noise_sweep(path)
    else:
        # A part of a recipe stands for a change of a shipped one.
        recipes.recipe_from(recipes.read_toml(recipes.find_recipe("ae_baseline")) | plain, name="x", origin=path.name)


@each_page
def test_commands_in_the_text(page, place):
    text = _BLOCK.sub("", page.read_text("utf-8"))
    for code in re.findall(r"(?<!`)`(kerasae [^`]+)`(?!`)", text):
        check(shlex.split(code.replace("\n", " ")))


def anchors(page):
    """Return the anchors of a page's headings, as mkdocs and GitHub make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@each_page
def test_links(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if page.parent.name == "docs":
            assert file.is_relative_to(TOP / "docs"), f"{page.name} links to {target}, which is not on the site"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}: there is no such heading"


def test_the_readme_is_short_and_every_page_is_on_the_site():
    assert len((TOP / "README.md").read_text("utf-8").splitlines()) <= 150
    listed = set(re.findall(r"\w+\.md", (TOP / "mkdocs.yml").read_text("utf-8")))
    assert listed == {page.name for page in PAGES if page.parent.name == "docs"}


def test_the_reference_has_every_public_name():
    reference = (TOP / "docs" / "reference.md").read_text("utf-8")
    listed = {name for names in re.findall(r"members: \[([^]]+)\]", reference) for name in re.findall(r"\w+", names)}
    modules = [name.replace(".", "/") for name in re.findall(r"^::: (\S+)", reference, re.MULTILINE)]
    for name in modules:
        # The last is the stub, where there is one.
        text = max((TOP / name).glob("__init__.py*")).read_text("utf-8")
        public = set(re.findall(r"import \w+ as (\w+)", text)) - {Path(one).name for one in modules}
        assert public <= listed, f"docs/reference.md lacks {sorted(public - listed)} of {name}"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("trian ae_l2", "there is no command kerasae trian"),
        ("train ae_l2 --epoch 3", "No such option: --epoch"),
        ("train ae_l3", "there is no recipe 'ae_l3'"),
        ("train ae_l2 --set training.epoch=3", "training.epoch is not a key"),
        ("study quik", "there is no study 'quik'"),
    ],
)
def test_a_wrong_command_is_seen(command, message, place):
    with pytest.raises(Exception, match=message):
        check(["kerasae", *command.split()])
    assert list(commands("A=1 b c && d e  # f\n$ g \\\n h")) == [["b", "c"], ["d", "e"], ["g", "h"]]
