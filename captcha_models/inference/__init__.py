"""A trained model in use: predictions, export, model card."""
