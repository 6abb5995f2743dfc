"""From a study recipe to its runs."""

import os

import pytest

from kerasae.errors import RecipeError, StudyError
from kerasae.recipes import load_study
from kerasae.studies.plan import plan_study
from kerasae.studies.results import find_study
from kerasae.studies.run import total_seconds
from tests.studies.made_up import STUDY, write_study


def planned(tmp_path, text=STUDY, **overrides):
    return plan_study(load_study(write_study(tmp_path, text)), backend="jax", runs=tmp_path / "runs", **overrides)


def test_the_grid_is_every_combination_and_every_seed(tmp_path):
    plan = planned(tmp_path, STUDY + "\n[axes.training.clean]\n[axes.training.noisy]\nnoise.sigma = 0.1\n")
    assert [tuple(cell.levels.values()) for cell in plan.cells] == [
        ("none", "clean"),
        ("none", "noisy"),
        ("L2", "clean"),
        ("L2", "noisy"),
    ]
    jobs = plan.run_jobs()
    assert len(jobs) == 8
    assert [job.recipe["training"]["seed"] for job, _ in jobs.values()] == [0] * 4 + [1] * 4
    _, recipe = list(jobs.values())[-1]
    assert (recipe.regularizer.l2, recipe.noise.sigma, recipe.training.epochs) == (1e-3, 0.1, 3)
    assert recipe.model.filters == (4, 2)


def test_cells_that_train_the_same_share_their_runs(tmp_path):
    plan = planned(tmp_path, STUDY + "\n[axes.regularizer.zero]\nregularizer.l2 = 0.0\n")
    assert len(plan.cells) == 3
    assert len(plan.run_jobs()) == 4


def test_a_level_may_name_its_backend_and_its_recipe(tmp_path):
    text = STUDY.replace('recipe = "ae_baseline"\n', "").replace("model.filters = [4, 2]\n", "")
    text += '\n[axes.model.AE]\nrecipe = "ae_baseline"\n[axes.model.VAE]\nrecipe = "vae_baseline"\nbackend = "torch"\n'
    plan = planned(tmp_path, text)
    kinds = {cell.levels["model"]: (cell.backend, cell.recipes[0].model.kind) for cell in plan.cells}
    assert kinds == {"AE": ("jax", "conv_autoencoder"), "VAE": ("torch", "mlp_vae")}


def test_a_key_with_values_makes_an_axis(tmp_path):
    text = STUDY.replace("[axes.regularizer.none]", "").replace("[axes.regularizer.L2]\nregularizer.l2 = 1e-3", "")
    plan = planned(tmp_path, text + '[axes.regularizer]\nkey = "regularizer.l2"\nvalues = [0.0, 1e-5]\n')
    assert [cell.levels["regularizer"] for cell in plan.cells] == ["0", "1e-05"]
    assert [cell.recipes[0].regularizer.l2 for cell in plan.cells] == [0, 1e-5]


def test_overrides_reach_every_run(tmp_path):
    plan = planned(tmp_path, epochs=1, seeds=[7], set=["training.learning_rate=0.01"], data="folder:here")
    assert plan.study.settings.seeds == (7,)
    for _, recipe in plan.run_jobs().values():
        assert (recipe.training.epochs, recipe.training.seed, recipe.training.learning_rate) == (1, 7, 0.01)
        assert recipe.data.source == "folder"


def test_the_folder_is_named_by_what_is_trained_and_measured(tmp_path):
    folders = [
        planned(tmp_path, text).folder.name
        for text in (STUDY, STUDY.replace("Does L2", "How does L2"), STUDY.replace("l2 = 1e-3", "l2 = 1e-2"))
    ]
    assert folders[0] == folders[1] != folders[2]
    assert folders[0].startswith("study-tiny-")


def test_different_images_do_not_compare(tmp_path):
    with pytest.raises(StudyError, match=r"L2 and none have different \[data\]"):
        planned(tmp_path, STUDY + "data.channels = 3\n")


def test_a_fault_in_a_level_is_named_with_its_levels(tmp_path):
    with pytest.raises(RecipeError, match=r"study tiny, L2: regularizer.l3 is not a key .* did you mean 'l[12]'"):
        planned(tmp_path, STUDY + "regularizer.l3 = 1.0\n")
    with pytest.raises(RecipeError, match="backend = 'theano' is not one of tensorflow, jax, torch"):
        planned(tmp_path, STUDY + 'backend = "theano"\n')
    with pytest.raises(RecipeError, match="there is no recipe to start from"):
        planned(tmp_path, STUDY.replace('recipe = "ae_baseline"\n', ""))


def test_a_grid_beyond_reason_is_counted_and_not_written_out(tmp_path):
    axes = "".join(f"[axes.a{k}.x]\nnoise.sigma = 0.1\n[axes.a{k}.y]\n" for k in range(40))
    with pytest.raises(StudyError, match=r"4,398,046,511,104 runs \(41 axes of 2 to 2 levels, 2 seeds\).* most 5,000"):
        planned(tmp_path, STUDY + "\n" + axes)
    with pytest.raises(StudyError, match="at most 5,000"):
        planned(tmp_path, seeds=range(2501))


def test_with_two_backends_the_first_seed_still_comes_first(tmp_path):
    text = STUDY + 'backend = "torch"\n[axes.regularizer.L1]\nregularizer.l1 = 1e-3\n'
    jobs = [job for job, _ in planned(tmp_path, text).run_jobs().values()]
    assert [job.recipe["training"]["seed"] for job in jobs] == [0] * 3 + [1] * 3
    assert [job.backend for job in jobs] == ["jax", "jax", "torch"] * 2


@pytest.mark.parametrize(
    ("workers", "seconds"),
    [
        (1, 10 + 20 + 4 * 3 + 2 * 5),  # each kind is met once
        (2, (2 * 10 + 2 * 20 + 4 * 3 + 2 * 5) / 2),
        (100, 20 + 5),  # no run is shared: the longest with its start
    ],
)
def test_the_time_of_a_study_is_that_of_its_runs_and_what_each_worker_does_once(workers, seconds):
    kinds = {"small": [3.0] * 4, "large": [5.0] * 2}
    assert total_seconds(kinds, {"small": 10.0, "large": 20.0}, workers) == pytest.approx(seconds)
    assert total_seconds({}, {}, workers) == 0


def test_a_study_that_is_spelled_out_wins_over_one_that_is_only_begun(tmp_path):
    for place, name in enumerate(("study-reg-0123abcd", "study-reg_strength-4567cdef", "reg_run-0a0b-jax-0")):
        (tmp_path / name).mkdir()
        path = tmp_path / name / ("run.json" if name.endswith("-0") else "study.json")
        path.write_text("{}")
        os.utime(path, (place, place))
    assert find_study("reg", tmp_path).name == "study-reg-0123abcd"
    assert find_study("reg_s", tmp_path).name == "study-reg_strength-4567cdef"
    assert find_study("study-reg-0123abcd", tmp_path).name == "study-reg-0123abcd"
    assert find_study("re", tmp_path).name == "study-reg_strength-4567cdef"
    for name in ("latest", "reg_run", "reg_run-0a0b-jax-0"):
        assert find_study(name, tmp_path) is None
