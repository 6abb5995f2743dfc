"""An audit of a small model: what it says, that it is the same again, and that it goes on where it was killed."""

import json
import shutil

import pytest

import kerasae
from kerasae.audits import experiment
from kerasae.audits.experiment import Sitting
from kerasae.records import Audit
from kerasae.reports.sections.audit import audit_sentences, audit_tables
from kerasae.training import load_run


@pytest.fixture
def audited(run_command, trained, tmp_path):
    """Return what runs the command on images with labels: whose they are, a group, a number, one value."""
    images = tmp_path / "images"
    shutil.copytree(trained[1], images)
    rows = [
        f"{path.name},p{place // 2},{'ab'[place % 2]},{place},same"
        for place, path in enumerate(sorted(images.iterdir()))
    ]
    (images / "labels.csv").write_text("\n".join(["file,who,side,number,one", *rows]), encoding="utf-8")

    def run(*more):
        ask = (
            "audit",
            "latest",
            "--data",
            f"folder:{images}",
            "-o",
            tmp_path / "out",
            "--codecs",
            "webp,jpeg",
            "--json",
        )
        return run_command(*ask, *more)

    return run


GROUPS = ("--group", "side", "--group", "number", "--group", "brightness", "--person", "who")


def test_an_audit_holds_codecs_groups_and_marks_and_is_the_same_again(audited, tmp_path):
    code, out, err = audited(*GROUPS)
    assert code == 0, err
    plain = json.loads(out)
    audit = Audit.from_dict(plain)
    assert (audit.images, audit.persons, audit.person_column) == (30, 15, "who")
    models = [point for point in audit.points if point.beside is None]
    assert models[0].quality < models[-1].quality
    assert models[0].bytes_per_image < models[-1].bytes_per_image
    beside = [point for point in audit.points if point.beside]
    assert {(point.codec, point.beside) for point in beside} == {
        (codec, f"{model.codec} at {model.quality:g}") for codec in ("webp", "jpeg") for model in models
    }
    columns = {
        row.column: {other.group for other in audit.groups[0] if other.column == row.column} for row in audit.groups[0]
    }
    assert {column: len(groups) for column, groups in columns.items()} == {"side": 2, "number": 4, "brightness": 4}
    # Three or four persons in a quarter: too few to rank.
    assert all(row.is_small for row in audit.groups[0] if row.column == "number")
    assert any(
        "Too few to say anything of, in PSNR: number quarter 1" in sentence for _, sentence in audit_sentences(audit)
    )
    assert {one.kind for one in audit.marks} == {None, "mole", "scar", "tattoo", "stain"}
    assert all(0 <= one.auc <= 1 and 0 <= one.false_marks <= 1 for one in audit.marks)
    folder = next((tmp_path / "out").glob("audit-*"))
    assert {path.name for path in folder.iterdir()} == {"audit.json", "marks.png", "sheet.png"}
    shutil.rmtree(tmp_path / "out")
    assert json.loads(audited(*GROUPS)[1]) == plain
    for table in audit_tables(audit):
        assert table.rows, table.title


def test_in_python_it_is_the_same(audited, trained, tmp_path):
    plain = json.loads(audited("--group", "side", "--marks", "1")[1])
    asked = {"data": f"folder:{tmp_path / 'images'}", "codecs": ["webp", "jpeg"], "groups": ["side"], "marks": 1}
    audit = kerasae.audit("latest", folder=tmp_path / "other", runs=trained[0], **asked)
    assert audit == Audit.from_dict(plain)
    labels = tmp_path / "elsewhere.csv"
    shutil.move(tmp_path / "images" / "labels.csv", labels)
    again = kerasae.audit("latest", labels=str(labels), folder=tmp_path / "third", runs=trained[0], **asked)
    assert again == audit


def test_a_killed_audit_goes_on_and_measures_nothing_twice(audited, trained, tmp_path, monkeypatch):
    coded = []
    through = experiment._through
    monkeypatch.setattr(experiment, "_through", lambda *ask: coded.append(ask[0].name) or through(*ask))
    sitting = Sitting.load([load_run("latest", trained[0])], ["webp"], marks=1, folder=tmp_path, limit=6)

    def kill(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sitting.measure(kill)
    before = len(coded)
    result = sitting.measure()
    once = len(coded)
    assert once > before
    assert sitting.measure() == result
    assert len(coded) == once
    shutil.rmtree(sitting.measured)
    coded.clear()
    assert sitting.measure() == result
    assert len(coded) == once


def test_a_classical_codec_is_given_as_many_bytes(trained, tmp_path):
    sitting = Sitting.load([load_run("latest", trained[0])], ["webp"], marks=0, folder=tmp_path)
    contender = sitting.experiment.classical[0]
    for target in (80.0, 120.0, 200.0, 1e6):
        chosen = sitting._of_equal_bytes(contender, target)
        sizes = {
            quality: sum(map(len, contender.encode(sitting.experiment.images, quality)))
            / len(sitting.experiment.images)
            for quality in contender.all_qualities
        }
        least = min(abs(size - target) for size in sizes.values())
        assert abs(sizes[chosen] - target) <= least + 4, (target, chosen)


def test_other_groups_measure_nothing_again_and_leave_what_was_found(audited, tmp_path, monkeypatch):
    first = json.loads(audited("--group", "side", "--person", "none")[1])
    assert (first["persons"], first["sentences"] != []) == (None, True)
    monkeypatch.setattr(experiment, "measure_mark", None)
    assert audited("--group", "brightness")[0] == 0
    assert len([*(tmp_path / "out").glob("audit-*/audit.json")]) == 2


def test_without_marks_there_are_groups_alone(audited):
    code, out, err = audited("--marks", "0", "--group", "side")
    assert code == 0, err
    assert json.loads(out)["marks"] == []


def test_noise_is_the_same_without_and_with_the_mark(audited):
    code, out, err = audited("--sigma", "0.1", "--codecs", "none")
    assert code == 0, err
    assert json.loads(out)["sigma"] == 0.1


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (("--group", "sied"), "has no column 'sied' among the 5 of its first line; did you mean 'side'?"),
        (("--group", "one"), "the column 'one' has the value 'same' for all 30 images: there is nothing to compare"),
        (("--person", "whom"), "has no column 'whom'"),
        (("--qualities", "1;2"), "--qualities '1;2' is not a list of numbers"),
    ],
)
def test_what_cannot_be_audited_is_said(audited, ask, says):
    code, _, err = audited(*ask)
    assert code == 2
    assert says in err


def test_images_without_labels_are_said(run_command, tmp_path):
    code, _, err = run_command("audit", "latest", "--group", "age", "-o", tmp_path)
    assert code == 2
    assert "labels" in err
