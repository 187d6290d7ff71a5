"""The search itself: experiment, sampler, scheduler, trials and when they stop."""
