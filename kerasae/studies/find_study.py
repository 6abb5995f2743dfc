"""Where studies are, and how a name on the command line finds one."""

import json
from pathlib import Path

from kerasae.errors import StudyError
from kerasae.records import StudyRecord
from kerasae.training import runs_folder

FILE = "study.json"


def find_study(study: str | Path, runs: str | Path | None = None) -> Path | None:
    """Return the folder meant by ``study``: a folder, its name, the study's name or the beginning of either.

    Of several that match, the one written last. None where there is none.
    """
    folder = Path(study).expanduser()
    if (folder / FILE).is_file():
        return folder
    found = [path for path in runs_folder(runs).glob("study-*") if (path / FILE).is_file()]
    matches = [path for path in found if path.name.startswith((str(study), f"study-{study}"))]
    return max(matches, key=lambda path: (path / FILE).stat().st_mtime, default=None)


def read_study(folder: Path) -> StudyRecord:
    """Return the record of a study's folder; raises ``StudyError`` where it is missing or not readable."""
    path = folder / FILE
    try:
        return StudyRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise StudyError(f"{folder} is no study: it has no {FILE}; run one with: kerasae study quick") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StudyError(f"{path} is no record this version of kerasae reads: {error}; run the study again") from None
