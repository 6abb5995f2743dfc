"""Size of an image → size of its latents."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Every ``unit`` × ``unit`` pixels of an image, the last ones padded, become ``rows`` × ``columns`` positions.

    ``channels`` counts the colours of the image, 1 or 3.
    """

    unit: int
    rows: int
    columns: int
    channels: int

    def units(self, height: int, width: int) -> tuple[int, int]:
        """Return how many units lie below and beside each other in an image of so many pixels."""
        return -(-height // self.unit), -(-width // self.unit)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of the latents of an image of so many pixels."""
        down, across = self.units(height, width)
        return down * self.rows, across * self.columns
