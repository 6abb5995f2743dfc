"""The parts of the page, each from the records it is about; None where there is nothing to show."""
