"""Names of samplers and schedulers, for options that answer before anything else is loaded."""

from typing import Literal, get_args

SamplerName = Literal["prior", "tpe", "gp", "qmc", "random"]
"""See `search.tuning.samplers.sampler_of`."""
SchedulerName = Literal["rungs", "asha", "median", "none"]
"""See `search.tuning.scheduler.scheduler_of`."""
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
SCHEDULERS: tuple[SchedulerName, ...] = get_args(SchedulerName)
