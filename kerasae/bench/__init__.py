"""How fast kerasae is, beside what a person would write with PyTorch and scikit-image."""

from kerasae.bench.run import BenchResult as BenchResult
from kerasae.bench.run import Measurement as Measurement
from kerasae.bench.run import bench_table as bench_table
from kerasae.bench.run import run_bench as run_bench
