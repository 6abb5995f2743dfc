"""What is written to disk about runs, their scores and studies of them: plain frozen data, units in the names."""

from kerasae.records.comparison import ComparedScore as ComparedScore
from kerasae.records.comparison import Difference as Difference
from kerasae.records.comparison import RunComparison as RunComparison
from kerasae.records.example import Example as Example
from kerasae.records.image_scores import ImageScores as ImageScores
from kerasae.records.latents import LatentRecord as LatentRecord
from kerasae.records.rate import BdRate as BdRate
from kerasae.records.rate import RatePoint as RatePoint
from kerasae.records.report import RateContent as RateContent
from kerasae.records.report import ReportContent as ReportContent
from kerasae.records.report import RunContent as RunContent
from kerasae.records.run import RunRecord as RunRecord
from kerasae.records.score import Score as Score
from kerasae.records.score import Summary as Summary
from kerasae.records.study import CellScore as CellScore
from kerasae.records.study import Comparison as Comparison
from kerasae.records.study import SeedSummary as SeedSummary
from kerasae.records.study import StudyCell as StudyCell
from kerasae.records.study import StudyRecord as StudyRecord
