"""Everything kerasae refuses: one base class, one subclass per thing that can be wrong.

A message says what was wrong, what arrived, what is allowed and what to do next. The command line prints it as one
line and ends with exit code 2; a traceback would mean a fault of kerasae's own.
"""

import unicodedata

# Controls, among them those that a terminal obeys; marks that turn the direction of text; halves of characters.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: str, *, keep: str = "") -> str:
    """Return ``text`` on one line, with what a terminal would obey or cannot show written as Python would, ``\\x1b``.

    The characters in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        ascii(one)[1:-1] if one not in keep and unicodedata.category(one) in _UNSEEN else one for one in text
    )


class KerasaeError(Exception):
    """Base of every error that a user can cause and cure; names in its message are made ``printable``."""

    def __str__(self) -> str:
        return printable(super().__str__())


class RecipeError(KerasaeError):
    """A recipe, or an override of one, that cannot be run."""


class DataError(KerasaeError):
    """Images that are missing, broken or not what the recipe says."""


class ModelError(KerasaeError):
    """A model that cannot be built, loaded or used as asked."""


class RunError(KerasaeError):
    """A run folder that is missing, unfinished, in use or of another version."""


class MetricError(KerasaeError):
    """A metric asked of images it is not defined for."""


class StatisticsError(KerasaeError):
    """Numbers that an interval or a test is not defined for."""


class StudyError(KerasaeError):
    """A study whose runs do not compare, or of which too little is there."""


class BackendError(KerasaeError):
    """A backend that is unknown, not installed or already chosen otherwise."""


class TrainingError(KerasaeError):
    """Training that had to stop, such as a loss that is no longer finite."""


class CodecError(KerasaeError):
    """Compressed bytes that are damaged or of another model, or an image that cannot be compressed as asked."""


class ReportError(KerasaeError):
    """A report that cannot be written as asked."""


class FileError(KerasaeError, OSError):
    """A file or folder that the system does not let be written, such as on a full or read-only disk."""

    def __str__(self) -> str:
        # Where errno is set, OSError would show the system's words alone.
        return str(self.args[0])
