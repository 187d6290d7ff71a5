"""The one training loop: fastai's Learner with torch's fused AdamW and no copies to the host."""

from collections.abc import Sequence
from typing import cast

import fastai.callback.schedule  # noqa: F401  (gives Learner its fit_one_cycle)
import torch
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner
from fastai.optimizer import OptimWrapper
from torch import nn

from captcha_models.architectures.base import Recogniser
from captcha_models.config import Config
from captcha_models.training.averaged_weights import AveragedWeights
from captcha_models.training.device import multiplies_bf16

SQUARE_MOMENTUM = 0.99
EPSILON = 1e-5
SMOOTHING = 0.98


class CaptchaLearner(Learner):  # type: ignore[misc]  # fastai is untyped
    """A Learner whose step is the recogniser's own training loss.

    Differs from fastai's: the loss is the model's `training_loss`, validation is left to the
    epoch's report, and the optimiser is torch's AdamW at fastai's values, its weight decay kept
    from normalisation layers and biases.
    """

    def __init__(
        self, dls: DataLoaders, model: Recogniser, config: Config, cbs: Sequence[Callback] = ()
    ) -> None:
        callbacks = [TrainEvalCallback(), CastToTensor(), RunningLoss(), *cbs]
        if config.clip:
            callbacks.append(GradientClip(max_norm=config.clip))
        self.averaging = AveragedWeights(model, config.ema) if config.ema else None
        callbacks += [self.averaging] if self.averaging else []
        self.weight_decay = config.weight_decay
        device = next(model.parameters()).device
        bf16 = config.bf16 and multiplies_bf16(device)
        self.precision = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
        super().__init__(
            dls, model, loss_func=model.loss, lr=config.lr, default_cbs=False, cbs=callbacks
        )
        self.create_mbar = False

    def kept(self) -> Recogniser:
        """The model that is judged and kept: the averaged one, if weights are averaged."""
        return self.averaging.average if self.averaging else cast(Recogniser, self.model)

    def create_opt(self) -> None:
        """AdamW over two groups: with weight decay, and without."""
        exempt = set(map(id, _norms_and_biases(self.model)))
        parameters = list(self.model.parameters())
        groups = [
            {
                "params": [p for p in parameters if id(p) not in exempt],
                "weight_decay": self.weight_decay,
            },
            {"params": [p for p in parameters if id(p) in exempt], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(
            groups, lr=self.lr, betas=(0.95, SQUARE_MOMENTUM), eps=EPSILON, fused=True
        )
        self.opt = OptimWrapper(opt=optimiser)

    def _do_one_batch(self) -> None:
        if not self.training:
            super()._do_one_batch()
            return
        with self.precision:
            self.loss_grad = self.model.training_loss(*self.xb, *self.yb)
        self.loss = self.loss_grad.detach()
        self("after_loss")
        self._do_grad_opt()

    def _do_epoch(self) -> None:
        # Validation is the epoch report's, which scores in large batches.
        self._do_epoch_train()


class RunningLoss(Callback):  # type: ignore[misc]
    """fastai's smoothed training loss, kept on the device until somebody asks."""

    order = 50

    def __init__(self) -> None:
        self.value = torch.zeros(())
        self.count = 0

    def after_batch(self) -> None:
        """Take the step's loss in."""
        self.value = self.value.to(self.loss.device) * SMOOTHING + self.loss * (1 - SMOOTHING)
        self.count += 1

    def read(self) -> float:
        """The loss, corrected for its start at 0."""
        return float(self.value) / (1 - SMOOTHING**self.count)


def _norms_and_biases(model: nn.Module) -> list[nn.Parameter]:
    found = []
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            found += list(module.parameters())
        elif isinstance(getattr(module, "bias", None), nn.Parameter):
            found.append(cast(nn.Parameter, module.bias))
    return found
