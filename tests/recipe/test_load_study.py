"""Study recipes: what is refused, and in which words."""

import pytest

from kerasae.errors import RecipeError
from kerasae.recipes import is_study, load_recipe, load_study, shipped_recipes
from tests.studies.made_up import STUDY, write_study


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seeds = [0, 1]", "seeds = [0, 0]", "seeds = .* names a seed twice"),
        (
            "seeds = [0, 1]",
            f"seeds = {[*range(1001)]}",
            r"seeds = \[0, 1, .*… is out of range; it must be length at most 1000",
        ),
        ("seeds = [0, 1]", "cpus = 1e9", "cpus = 1000000000.0 is out of range; it must be at most 4096"),
        ("seeds = [0, 1]", "seeds = []", "study: seeds = .* length at least 1"),
        ("sigmas = [0.0, 0.1]", "sigmas = [0.0, 2]", "sigmas = .* value out of range"),
        ("sigmas = [0.0, 0.1]", "sigmas = [0.0]\ncompare_sigmas = [0.1]", "compare_sigmas has 0.1, which is not among"),
        ("question =", "qestion =", "qestion is not a key kerasae knows, did you mean 'question'"),
        ('["regularizer"]', '["regulariser"]', "'regulariser', which is no axis, did you mean 'regularizer'"),
        ("[axes.regularizer.none]", "", "axes.regularizer has one level"),
        ("[set]", "[sets]", "sets is not a section of a study, did you mean 'set'"),
        ("[study]\n", "[studies]\n", "is not a study: it has no section"),
        ("regularizer.l2 = 1e-3", "l2 = 1e-3", r"axes.regularizer.L2.l2 = 0.001 names no section"),
        ("regularizer.l2 = 1e-3", "recipe = 3", "axes.regularizer.L2.recipe = 3 must be text"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, says):
    assert old in STUDY
    with pytest.raises(RecipeError, match=says):
        load_study(write_study(tmp_path, STUDY.replace(old, new)))


def test_without_axes_there_is_no_study(tmp_path):
    with pytest.raises(RecipeError, match="a study needs an axis"):
        load_study(write_study(tmp_path, STUDY[: STUDY.index("[axes")]))


def test_names_of_shipped_studies_are_found():
    assert load_study("quick").name == "quick"
    assert load_study("recipes/studies/quick.toml").name == "quick"
    with pytest.raises(RecipeError, match=r"there is no study 'quik'.* Did you mean quick"):
        load_study("quik")


def test_a_study_is_not_a_recipe(tmp_path):
    path = write_study(tmp_path)
    assert is_study(path)
    with pytest.raises(RecipeError, match="is a study, not a training recipe; run it with: kerasae study"):
        load_recipe(path)


def test_compared_sigmas_are_clean_and_a_tenth():
    assert load_study("regularization").settings.compared_sigmas == (0.0, 0.1)
    assert {path.stem for path in shipped_recipes("studies")} >= {"quick", "regularization"}
