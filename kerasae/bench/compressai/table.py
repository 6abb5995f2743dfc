"""CompressAI's results as a table."""

from collections.abc import Sequence

from rich.table import Table

from kerasae.bench.compressai.result import CompressaiResult


def compressai_table(results: Sequence[CompressaiResult], title: str) -> Table:
    """Return a row for each ``lmbda``, for a terminal; PSNR by the mean over images and by the mean squared error."""
    table = Table(title=title, caption=_caption(results), caption_justify="left")
    for heading in ("lambda", "bits per pixel", "estimated", "PSNR, dB", "of mean MSE"):
        table.add_column(heading, justify="right")
    for heading in ("training, images/s", "encode", "decode", "encode, single", "decode, single"):
        table.add_column(heading, justify="right")
    for each in results:
        speeds = (
            each.training_images_per_second,
            each.encode_images_per_second,
            each.decode_images_per_second,
            each.encode_images_per_second_single,
            each.decode_images_per_second_single,
        )
        table.add_row(
            f"{each.lmbda:g}",
            f"{each.bits_per_pixel:.4f}",
            f"{each.estimated_bits_per_pixel:.4f}",
            f"{each.psnr:.2f}",
            f"{each.psnr_of_mean_mse:.2f}",
            *(f"{speed:,.0f}" for speed in speeds),
        )
    return table


def _caption(results: Sequence[CompressaiResult]) -> str:
    first = results[0]
    return (
        f"FactorizedPrior(64, 96), {first.parameters:,} weights, {first.training_seconds:,.0f} s of training on "
        f"{first.threads} thread{'s' * (first.threads != 1)}; {first.test_images:,} test images, no headers counted"
    )
