"""fastai's Learner with torch's fused AdamW and the recogniser's own training loss."""

from collections.abc import Sequence

import torch
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner
from fastai.optimizer import OptimWrapper
from fastai.torch_core import norm_bias_params
from torch import Tensor, nn

from captcha_models.architectures.base import Recogniser
from captcha_models.config import Config
from captcha_models.training.averaged_weights import AveragedWeights
from captcha_models.training.device import multiplies_bf16

SQUARE_MOMENTUM = 0.99
EPSILON = 1e-5
SMOOTHING = 0.98


class CaptchaLearner(Learner):  # type: ignore[misc]  # fastai is untyped
    """A Learner whose step is the recogniser's own training loss.

    Differs from fastai's: the loss is the recogniser's `training_loss`, and the optimiser is
    torch's AdamW at fastai's values, its weight decay kept from normalisation layers and biases.
    Validation is left to the epoch's report.

    Attributes:
        recogniser: what is trained.
        averaging: its averaged weights, None if none are kept.
    """

    def __init__(
        self, dls: DataLoaders, model: Recogniser, config: Config, cbs: Sequence[Callback] = ()
    ) -> None:
        self.recogniser, self.weight_decay = model, config.weight_decay
        callbacks = [TrainEvalCallback(), CastToTensor(), TargetsToo(), RunningLoss(), *cbs]
        if config.clip:
            callbacks.append(GradientClip(max_norm=config.clip))
        self.averaging = AveragedWeights(model, config.ema) if config.ema else None
        callbacks += [self.averaging] if self.averaging else []
        step = TrainingStep(model, config.bf16)
        super().__init__(
            dls, step, loss_func=step.loss, lr=config.lr, default_cbs=False, cbs=callbacks
        )
        self.create_mbar = False

    def kept(self) -> Recogniser:
        """The model that is judged and kept: the averaged one, if weights are averaged."""
        return self.averaging.average if self.averaging else self.recogniser

    def create_opt(self) -> None:
        """AdamW over two groups: with weight decay, and without."""
        exempt = set(map(id, norm_bias_params(self.recogniser)))
        parameters = list(self.recogniser.parameters())
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


class TrainingStep(nn.Module):
    """A recogniser as the Learner calls it: with targets its training loss, without them logits."""

    def __init__(self, recogniser: Recogniser, bf16: bool) -> None:
        super().__init__()
        self.recogniser = recogniser
        device = next(recogniser.parameters()).device
        enabled = bf16 and multiplies_bf16(device)
        self.precision = torch.autocast(device.type, torch.bfloat16, enabled=enabled)

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W), targets (N, L) -> a scalar; without targets the logits."""
        if targets is None:
            logits: Tensor = self.recogniser(images)
            return logits
        with self.precision:
            return self.recogniser.training_loss(images, targets)

    @staticmethod
    def loss(prediction: Tensor, targets: Tensor) -> Tensor:
        """What the Learner takes for its criterion: forward has computed it already."""
        return prediction


class TargetsToo(Callback):  # type: ignore[misc]
    """Gives a training batch's targets to the model beside its images."""

    order = CastToTensor.order + 1

    def before_batch(self) -> None:
        """Put them there."""
        if self.training:
            self.learn.xb = (*self.xb, *self.yb)


class RunningLoss(Callback):  # type: ignore[misc]
    """fastai's smoothed training loss, kept on the device until it is read."""

    order = 50

    def __init__(self) -> None:
        self.value = torch.zeros(())
        self.count = 0

    def after_batch(self) -> None:
        """Take the step's loss in."""
        loss = self.loss.detach()
        self.value = self.value.to(loss.device) * SMOOTHING + loss * (1 - SMOOTHING)
        self.count += 1

    def read(self) -> float:
        """The loss, corrected for its start at 0."""
        return float(self.value) / (1 - SMOOTHING**self.count)
