"""One model on many devices, in one process or several: Keras' ``DataParallel`` on JAX."""

from kerasae.training.distribution.asked import Asked as Asked
from kerasae.training.distribution.asked import asked_for as asked_for
from kerasae.training.distribution.asked import is_first_process as is_first_process
from kerasae.training.distribution.asked import refuse_several_processes as refuse_several_processes
from kerasae.training.distribution.choose import choose_devices as choose_devices
from kerasae.training.distribution.processes import join_processes as join_processes
from kerasae.training.distribution.processes import leave_processes as leave_processes
from kerasae.training.distribution.threads import ask_for_threads as ask_for_threads
