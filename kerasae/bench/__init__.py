"""How fast kerasae is, beside what a person would write with PyTorch and scikit-image."""

from kerasae.bench.speed import Measurement as Measurement
from kerasae.bench.speed import SpeedResult as SpeedResult
from kerasae.bench.speed import measure_speed as measure_speed
from kerasae.bench.speed import speed_table as speed_table
