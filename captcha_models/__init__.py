"""What is trained: images, architectures, training. Knows torch and fastai, never Ray or Optuna."""
