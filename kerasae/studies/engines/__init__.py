"""Where a study's jobs are done: processes on this machine, or a Ray cluster.

An engine is called as ``engine(jobs, listen)``: it does every ``Job`` once, calls ``listen(event)`` as they start, go
on and end, and returns name → ``Outcome``.
"""

from kerasae.studies.engines.process import ProcessEngine as ProcessEngine
from kerasae.studies.engines.ray import RayEngine as RayEngine
