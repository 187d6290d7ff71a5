"""What is trained: images, architectures, training. Knows torch and fastai, never Ray or Optuna."""

import warnings

# fastai's imports use what torch and pandas have deprecated; nobody who trains can act on it.
warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
warnings.filterwarnings("ignore", message="The 'mode.chained_assignment' option is deprecated")
