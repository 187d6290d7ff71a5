"""Images, recognisers and their training; knows torch and fastai, never Ray or Optuna."""

import warnings

# fastai's imports use what torch and pandas have deprecated; nobody who trains can act on it.
warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
warnings.filterwarnings("ignore", message="The 'mode.chained_assignment' option is deprecated")
