"""``kerasae study`` and ``kerasae report`` from a grid to a page, on a tiny grid."""

import json
import os
import subprocess
import sys

import pytest

from kerasae.records import StudyRecord
from kerasae.studies.results import read_study
from tests.conftest import BACKEND
from tests.studies.made_up import STUDY, write_study


@pytest.fixture
def tiny(tmp_path, image_folder):
    """Return the arguments that run the tiny study on generated images, split by person."""
    path = write_study(tmp_path)
    return ["study", path, "--data", f"folder:{image_folder}", "--set", "data.group_column=person"]


def heavy_free(arguments, tmp_path):
    """Run a command in a process of its own, and return its output and what it loaded of what is heavy."""
    heavy = ("keras", "tensorflow", "jax", "torch")
    script = (
        f"import atexit, sys\natexit.register(lambda: print('LOADED', [n for n in {heavy} if n in sys.modules]))\n"
        f"sys.argv = ['kerasae', *{[str(one) for one in arguments]}]\n"
        "from kerasae.cli.app import main\nmain()"
    )
    environment = os.environ | {"KERASAE_RUNS": str(tmp_path / "runs")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    return done, done.stdout.splitlines()[-1]


def test_from_a_grid_to_a_page_and_again_from_what_is_there(kerasae, tiny, tmp_path):
    code, out, err = kerasae(*tiny)
    assert code == 0, err
    assert "L2 against none" in out
    assert "5/5" in err
    (folder,) = (tmp_path / "runs").glob("study-tiny-*")
    record = read_study(folder)
    assert [cell.label for cell in record.cells] == ["none", "L2"]
    assert all(len(cell.runs) == 2 for cell in record.cells)
    assert {(score.label, score.sigma) for score in record.scores} == {
        (label, sigma) for label in ("none", "L2") for sigma in (0.0, 0.1)
    }
    assert [score.sigma for score in record.do_nothing] == [0.1]
    assert record.answer
    assert StudyRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record

    # All is there: no process, no Keras, the same numbers.
    done, loaded = heavy_free([*tiny, "--json"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert loaded == "LOADED []"
    again = StudyRecord.from_dict(json.loads("\n".join(done.stdout.splitlines()[:-1])))
    assert (again.scores, again.comparisons, again.do_nothing) == (record.scores, record.comparisons, record.do_nothing)

    done, loaded = heavy_free(["report", folder, "-o", tmp_path / "page.html"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert loaded == "LOADED []"
    page = (tmp_path / "page.html").read_text()
    assert record.answer[0] in page
    done, _ = heavy_free(["report", "tiny", "--format", "csv"], tmp_path)
    assert "none" in done.stdout

    code, out, err = kerasae(*tiny, "--dry-run", "--json")
    assert code == 0, err
    assert [row["done"] for row in json.loads(out)["runs"]] == [True] * 4


def test_scores_are_those_of_the_runs_themselves(kerasae, tiny, tmp_path):
    assert kerasae(*tiny, "--seeds", "3")[0] == 0
    (folder,) = (tmp_path / "runs").glob("study-tiny-*")
    record = read_study(folder)
    run = record.cells[0].runs[0]
    code, out, err = kerasae("evaluate", run, "--split", "test", "--sigma", "0.1", "--json")
    assert code == 0, err
    (row,) = json.loads(out)
    noisy = next(score for score in record.scores if score.label == "none" and score.sigma == 0.1)
    assert noisy.psnr.mean == pytest.approx(row["psnr"]["mean"], abs=1e-4)
    assert noisy.ssim.mean == pytest.approx(row["ssim"]["mean"], abs=1e-5)
    assert noisy.images == row["count"]


def test_a_run_that_fails_is_named_and_the_others_go_on_each_on_its_backend(kerasae, tiny, tmp_path):
    pytest.importorskip("jax")
    pytest.importorskip("tensorflow")
    text = STUDY + 'backend = "jax"\n[axes.regularizer.L1]\nbackend = "tensorflow"\nregularizer.l1 = 1e-3\n'
    write_study(tmp_path, text + "[axes.regularizer.broken]\ntraining.learning_rate = 1e30\nregularizer.l2 = 1.0\n")
    code, out, _ = kerasae(*tiny, "--seeds", "0")
    assert code == 1
    assert "the loss stopped being a finite number" in out
    (folder,) = (tmp_path / "runs").glob("study-tiny-*")
    record = read_study(folder)
    backends = {"none": BACKEND, "L2": "jax", "L1": "tensorflow"}
    assert {cell.label: cell.backend for cell in record.cells} == backends
    assert len(record.failed) == 1
    assert "1 run failed and is missing here." in record.answer


def test_a_dry_run_says_what_and_how_long_and_trains_nothing(kerasae, tiny, tmp_path):
    code, out, err = kerasae(*tiny, "--dry-run", "--workers", "1")
    assert code == 0, err
    assert "4 runs, 4 to do" in out
    assert "with 1 at a time" in out
    assert not (tmp_path / "runs").exists()


def test_rates_are_measured_where_they_are_asked_for(kerasae, tiny, tmp_path):
    write_study(tmp_path, STUDY.replace("sigmas =", "rate = true\nsigmas ="))
    code, _, err = kerasae(*tiny, "--seeds", "0")
    assert code == 0, err
    code, _, err = kerasae("report", "tiny", "-o", tmp_path / "page.html")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    assert "jpeg" in page
    assert "bits per pixel" in page
    (study,) = (tmp_path / "runs").glob("study-tiny-*/study.json")
    rates = json.loads(study.read_text())["bd_rates"]
    assert {rate["against"] for rate in rates} >= {"jpeg", "webp"}
    assert {rate["counted"] for rate in rates} == {"files", "payload"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--engine", "slurm"], "--engine 'slurm' is neither process nor ray"),
        (["--seeds", "a,b"], "--seeds 'a,b' is not a list of whole numbers"),
        (["--seeds", "1,1"], "seeds are 0 or more, each named once"),
        (["--address", "auto"], "--address and --storage are for --engine ray"),
    ],
)
def test_bad_options_give_one_sentence(kerasae, tiny, arguments, says):
    code, _, err = kerasae(*tiny, *arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_a_report_of_nothing_says_so(kerasae):
    code, _, err = kerasae("report", "no-such")
    assert code == 2
    assert "'no-such' is neither a study nor a run" in err
    code, _, err = kerasae("report", "no-such", "--format", "pdf")
    assert code == 2
    assert "--format 'pdf' is not one of html, markdown, latex, csv" in err
