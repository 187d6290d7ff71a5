"""The training loop: learner, averaged weights, callbacks, checkpoints, metrics, evaluation."""
