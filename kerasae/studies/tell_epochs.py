"""How a worker tells of its training."""

from kerasae.training.reporter import Reporter


class TellEpochs(Reporter):
    """Passes the number of finished epochs on."""

    def __init__(self, tell):
        self.tell = tell
        self.epochs = 0

    def begin(self, *, epochs, epochs_done, steps_per_epoch, images):
        """Tell where training begins."""
        self.epochs = epochs
        self.tell(epochs_done, epochs)

    def epoch(self, row):
        """Tell of an epoch."""
        self.tell(int(row["epoch"]), self.epochs)
