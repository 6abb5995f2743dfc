"""Where workers on other machines leave word for the driver."""


class Board:
    """A list of messages, kept by an actor on the driver's node; nothing depends on one arriving."""

    def __init__(self):
        self.messages = []

    def write(self, message: tuple) -> None:
        """Keep ``message``."""
        self.messages.append(message)

    def read(self) -> list[tuple]:
        """Return the messages since the last time."""
        messages, self.messages = self.messages, []
        return messages


def leave_word(board, job: str, attempt: int, kind: str, done: int, total: int) -> None:
    """Write to ``board``, an actor, without waiting for it."""
    board.write.remote((job, attempt, kind, done, total))
