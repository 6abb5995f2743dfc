"""Who may import whom, and what a quick command may load."""

import ast
import graphlib
import os
import subprocess
import sys
import time

import pytest

from tests.conftest import BACKEND_FREE, TESTS

PACKAGE = TESTS.parent / "kerasae"

# Imports go down this ladder only; what stands on one rung does not import its neighbours.
LADDER = [
    ["__main__"],
    ["cli"],
    ["api"],
    ["bench"],
    ["console"],
    ["studies"],
    ["audits"],
    ["rate_distortion"],
    ["codec", "evaluation", "generation"],
    ["training"],
    ["models", "data"],
    ["entropy"],
    ["layers", "reports"],
    ["metrics"],
    ["recipes"],
    ["files", "records", "runtime", "gradients"],
    ["errors", "__init__"],
]
# Less than the ladder would allow.
ONLY = {
    "layers": {"runtime", "gradients", "errors"},
    "metrics": {"runtime", "gradients", "errors"},
    "reports": {"metrics", "records", "errors", "files"},
    "recipes": {"errors", "files"},
    "entropy": {"layers", "errors"},
    "models": {"entropy", "layers", "metrics", "recipes", "runtime", "errors"},
    "data": {"recipes", "errors", "files", "runtime"},
}
# Libraries that one place alone may import, whether at the head of a file or inside a function.
HOMES = {
    "tensorflow": {
        "data/batches.py",
        "data/tfds.py",
        "data/thumbnails_builder",
        "runtime.py",
        "models/steps/tensorflow.py",
    },
    "tensorflow_datasets": {"data/tfds.py", "data/thumbnails_builder"},
    "jax": {"training/devices_jax.py", "models/steps/jax.py", "runtime.py"},
    "torch": {"models/steps/torch.py", "runtime.py", "bench"},
    "PIL": {
        "data/images.py",
        "metrics/structural_similarity.py",
        "rate_distortion/classical.py",
        "reports/pictures.py",
    },
    "jinja2": {"reports/html.py"},
    "markdown_it": {"reports/sections/method.py"},
    "constriction": {"codec/entropy_coder.py"},
    "onnxruntime": {"codec/network.py"},
    "onnx": {"codec/onnx_graph.py"},
    "bjontegaard": {"rate_distortion/compare.py"},
    "matplotlib": {"reports"},
    "ray": {"studies/engines/ray.py"},
    "fsspec": {"studies/engines/archives.py"},
    # In an environment of its own, and only by the worker that runs there.
    "compressai": {"bench/compressai_worker.py"},
    "skimage": {"bench", "rate_distortion/compare.py"},
}


def imports_of(path):
    """Return every dotted name a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def rung_of(part):
    return next(place for place, rung in enumerate(LADDER) if part in rung)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    part = part_of(path)
    if part == "__init__":
        return  # it registers the classes of the parts above where Keras is loaded already
    for name in imports_of(path):
        pieces = name.split(".")
        if pieces[0] != "kerasae" or len(pieces) == 1:
            continue
        # `from kerasae import recipe` and `from kerasae import __version__` name a part or the package itself.
        target = pieces[1] if any(pieces[1] in rung for rung in LADDER) else "__init__"
        if target == part or target == "__init__":
            continue
        assert rung_of(target) > rung_of(part), f"{part} imports {target}, which stands beside or above it"
        assert target in ONLY.get(part, {target}), f"{part} imports {target}; it may import only {sorted(ONLY[part])}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library):
    found = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(name.split(".")[0] == library for name in imports_of(path))
    }
    strangers = {name for name in found if not any(name.startswith(home) for home in HOMES[library])}
    assert not strangers, f"{library} is imported by {sorted(strangers)}"
    assert found, f"nothing imports {library} any more; take it out of the list"


def module_of(path):
    """Return the dotted name of a file of the package."""
    return ".".join(("kerasae", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def loaded_with(path, modules):
    """Return the modules of ours that a file loads by the statements at its head, in blocks and classes too."""
    statements, names = [ast.parse(path.read_text(encoding="utf-8"))], set()
    while statements:
        node = statements.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        statements += ast.iter_child_nodes(node)
    return names & modules


def _is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_there_are_no_circles():
    modules = {module_of(path) for path in FILES}
    graph = {module_of(path): loaded_with(path, modules) - {module_of(path)} for path in FILES}
    # It registers classes at its end, where Keras is loaded already.
    graph["kerasae"] = set()
    # A package's contents page stands above the modules that it loads, so these must not ask it for names.
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(reversed(error.args[1]))}")
    assert len(order) == len(FILES)


def test_modules_are_topics():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    tests = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS.rglob("*.py")}
    assert not {str(path): count for path, count in (lengths | tests).items() if count > 500}
    assert len(FILES) < 130


def test_what_is_marked_backend_free_is_there():
    assert not [place for place in BACKEND_FREE if not (TESTS / place).exists()]


def test_reports_know_of_metrics_what_needs_no_keras():
    of_metrics = {name for path in PACKAGE.glob("reports/**/*.py") for name in imports_of(path) if ".metrics." in name}
    assert all(name.startswith("kerasae.metrics.registry.") for name in of_metrics)


HEAVY = ("keras", "tensorflow", "jax", "torch", "matplotlib", "skimage", "ray")


@pytest.mark.parametrize(
    "command",
    [
        "import kerasae",
        "import kerasae.codec",
        "import kerasae.metrics.registry",
        "import kerasae.codec.codec, kerasae.codec.files, kerasae.codec.frozen, kerasae.data",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', '--help']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'train', '--help']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'recipes']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'recipes', 'check', 'ae_l2']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'runs']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'runs', 'compare', 'a', 'b']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'data']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'data', 'show', 'photos']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'recipes', 'check', 'quick']; main()",
        "from kerasae.cli.app import main; import sys; sys.argv = ['kerasae', 'train', 'no_such']; main()",
    ],
)
def test_quick_commands_load_nothing_heavy(command, tmp_path):
    script = f"import atexit, sys\natexit.register(lambda: print('LOADED', [n for n in {HEAVY} if n in sys.modules]))\n"
    done = subprocess.run([sys.executable, "-c", script + command], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("backend", "without"), [("jax", "tensorflow"), ("torch", "tensorflow"), ("torch", None)], ids=str
)
def test_a_run_without_tensorflow_and_with_it_unasked(backend, without, image_folder, tmp_path):
    pytest.importorskip(backend)
    script = f"""
import sys
sys.modules.update({{name: None for name in {[without] if without else []}}})
sys.argv = ["kerasae", "train", "vae_baseline", "--data", "folder:{image_folder}", "--epochs", "1",
            "--runs", "{tmp_path}", "--set", "data.image_size=32", "--set", "noise.sigma=0.1"]
from kerasae.cli.app import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.glob("vae_baseline-*/scores.json"))
    # Keras imports TensorFlow to save the model; its greeting is none of a user's business.
    heading, decoded, epoch = done.stderr.splitlines()
    assert heading.startswith("vae_baseline · keras")
    assert decoded.startswith("decoded 24")
    assert epoch.startswith("epoch 1/1")


def test_importing_the_package_is_not_the_slow_part():
    # No bound in seconds: only that it is a small part of what loading Keras takes here and now.
    def seconds(code):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - began

    assert seconds("import kerasae") < seconds("import keras")


def test_the_worker_of_another_environment_imports_nothing_of_ours():
    names = {name.split(".")[0] for name in imports_of(PACKAGE / "bench" / "compressai_worker.py")}
    assert "kerasae" not in names
    assert names - set(sys.stdlib_module_names) == {"compressai", "numpy", "torch"}
