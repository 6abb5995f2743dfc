"""Where runs are, and how a name on the command line finds one."""

import difflib
import os
from pathlib import Path

from kerasae.errors import RunError
from kerasae.training.run import Run


def runs_folder(runs: str | Path | None = None) -> Path:
    """Return the folder of runs: ``runs`` if given, else ``KERASAE_RUNS``, else ``runs`` where the command runs."""
    return Path(runs or os.environ.get("KERASAE_RUNS") or "runs").expanduser()


def list_runs(runs: str | Path | None = None) -> list[Run]:
    """Return the runs in a folder, the latest last; folders that are no runs are passed over."""
    folder = runs_folder(runs)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if (path / "run.json").is_file()]
    return [Run(path) for path in sorted(found, key=lambda path: (path / "run.json").stat().st_mtime)]


def load_run(run: str | Path, runs: str | Path | None = None) -> Run:
    """Return the run meant by ``run``: a folder, a name under the folder of runs or its beginning, or ``latest``.

    Raises ``RunError`` where there is none or more than one, with the names there are.
    """
    if (Path(run).expanduser() / "run.json").is_file():
        return Run(Path(run).expanduser())
    known = list_runs(runs)
    folder = runs_folder(runs)
    if not known:
        raise RunError(
            f"there is no run {str(run)!r}: {folder} holds no runs; train one with: kerasae train ae_baseline"
        )
    if str(run) == "latest":
        return known[-1]
    names = [one.name for one in known]
    matches = [one for one in known if one.name == str(run)] or [one for one in known if one.name.startswith(str(run))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RunError(f"{str(run)!r} could be any of {', '.join(one.name for one in matches)}; give more of the name")
    close = difflib.get_close_matches(str(run), names, n=1, cutoff=0.4)
    meant = f", did you mean {close[0]}?" if close else "."
    raise RunError(f"there is no run {str(run)!r} in {folder}{meant} See: kerasae runs")
