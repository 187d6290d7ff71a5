"""System 3 of the source: a cut resnet34, two bidirectional LSTMs along the width, CTC.

9,557,908 parameters at the source's values and 19 symbols. Source: the article, after Shi, Bai and
Yao, 2017 (arXiv:1507.05717). Ours besides: maximum over height and an auxiliary CTC head on the
features (Retsinas et al., 2022, arXiv:2404.11339), and one recurrent layer; all off by default.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from captcha_models.architectures.heads import (
    CTCRecogniser,
    body_shape,
    even_places,
    located_loss,
    stride_of,
)
from captcha_models.architectures.resnet import resnet34_body
from captcha_models.charset import Charset
from captcha_models.config import Config as BaseConfig
from captcha_models.errors import InputError


class Config(BaseConfig):
    """The CRNN's settings."""

    arch: ClassVar[str] = "crnn"

    cut: int = Field(7, ge=5, le=8)
    """How many of resnet34's children are kept; 5, 6, 7, 8 leave 50, 25, 13, 7 steps of 200 px."""
    map_to_seq_hidden: int = Field(64, ge=4, le=1024)
    """Features per step that enter the recurrent layers."""
    rnn_hidden_1: int = Field(256, ge=4, le=1024)
    """Units per direction of the first LSTM."""
    rnn_hidden_2: int = Field(128, ge=0, le=1024)
    """Units per direction of the second LSTM; 0 leaves it out."""
    dropout: float = Field(0.1, ge=0, le=0.95)
    """Before the two linear layers."""
    rnn_dropout: float = Field(0.0, ge=0, le=0.95)
    """Between the recurrent layers; without a second one it acts after the first."""
    ctc_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the training loss that asks for equal probabilities of all classes in each step."""
    fixed_length: bool = False
    """Read no label of another length than all training labels have."""
    beam_width: int = Field(10, ge=1, le=1000)
    """Prefixes kept while decoding."""
    pool_height: bool = False
    """Maximum over the height of the features instead of flattening it."""
    aux_weight: float = Field(0.0, ge=0, le=10)
    """Weight of the CTC loss of an auxiliary head on the features, in training only."""
    aux_prior: float = Field(0.0, ge=0, le=1)
    """Power of the classes' frequencies that the auxiliary head's scores are divided by."""
    shortcut: bool = False
    """Add the auxiliary head's scores to the recurrent layers': these then correct them."""
    orthogonal: bool = False
    """Start the recurrent layers orthogonal, with open forget gates and no bias."""
    joint_weight: float = Field(0.0, ge=0, le=10)
    """Weight of a classifier per position, which shares the auxiliary head, in training only."""


class Model(CTCRecogniser):
    """Features of columns, read from left to right and back."""

    config_class = Config
    decided_by = "cut"
    any_width = True

    def __init__(
        self, config: Config, charset: Charset, max_length: int, size: tuple[int, int]
    ) -> None:
        super().__init__(config, charset)
        self.stride = stride_of(config.cut)
        self.beam_width = config.beam_width
        self.length = max_length if config.fixed_length else None
        self.ctc_smoothing = config.ctc_smoothing
        self.pool_height = config.pool_height
        self.aux_weight = config.aux_weight
        self.aux_prior = config.aux_prior
        self.joint_weight = config.joint_weight
        self.body = resnet34_body(config.cut, pretrained=config.pretrained)
        _, channels, height, steps = body_shape(self.body, size)
        assert steps == self.num_steps(config, size)
        features = channels if config.pool_height else channels * height
        num_classes = charset.num_classes
        self.map_to_seq = dropped_linear(features, config.map_to_seq_hidden, config.dropout)
        self.rnn1 = nn.LSTM(config.map_to_seq_hidden, config.rnn_hidden_1, bidirectional=True)
        self.rnn_dropout = nn.Dropout(config.rnn_dropout)
        states = 2 * config.rnn_hidden_1
        self.rnn2: nn.LSTM | None = None
        if config.rnn_hidden_2:
            self.rnn2 = nn.LSTM(states, config.rnn_hidden_2, bidirectional=True)
            states = 2 * config.rnn_hidden_2
        self.dense = dropped_linear(states, num_classes, config.dropout)
        self.aux: nn.Conv1d | None = None
        self.shortcut = config.shortcut
        if config.aux_weight or config.joint_weight or config.shortcut:
            self.aux = nn.Conv1d(features, num_classes, kernel_size=3, padding=1)
        self.places: nn.Parameter | None = None
        if config.joint_weight:
            self.places = nn.Parameter(even_places(max_length, steps))
        if config.orthogonal:
            for layer in (self.rnn1, *([self.rnn2] if self.rnn2 else [])):
                start_orthogonal(layer)
            nn.init.xavier_uniform_(self.dense.get_parameter(f"{len(self.dense) - 1}.weight"))

    @classmethod
    def num_steps(cls, config: Config, size: tuple[int, int]) -> int:
        """The columns that resnet34 cut so leaves: each stage halves the width.

        The first convolution and the pooling do as well; the first of the four stages does not.
        """
        width = size[1]
        for _ in range(config.cut - 3):
            width = (width + 1) // 2
        return width

    @classmethod
    def check(
        cls,
        config: BaseConfig,
        labels: Sequence[str],
        size: tuple[int, int],
        length: int | None = None,
    ) -> None:
        """Refuse a cut that leaves too few steps, and a fixed length that labels do not have."""
        assert isinstance(config, Config)
        lengths = {len(label) for label in labels} | ({length} if length else set())
        if config.fixed_length and len(lengths) > 1:
            raise InputError(
                f"fixed_length = true: labels have {min(lengths)} to {max(lengths)} characters; "
                "it needs labels of one length"
            )
        super().check(config, labels, size, length)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> features of the columns (N, F, T)."""
        maps: Tensor = self.body(self.prepare(images))
        return maps.amax(dim=2) if self.pool_height else maps.flatten(1, 2)

    def sequence(self, features: Tensor) -> Tensor:
        """Features (N, F, T) -> logits (T, N, K)."""
        states, _ = self.rnn1(self.map_to_seq(features.permute(2, 0, 1)))
        states = self.rnn_dropout(states)
        if self.rnn2 is not None:
            states, _ = self.rnn2(states)
        logits: Tensor = self.dense(states)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (T, N, K)."""
        features = self.features(images)
        columns = self.aux(features) if self.aux is not None and self.shortcut else None
        return self.combined(features, columns)

    def combined(self, features: Tensor, columns: Tensor | None) -> Tensor:
        """Features (N, F, T), the auxiliary head's scores (N, K, T) -> logits (T, N, K)."""
        logits = self.sequence(features)
        if self.shortcut and columns is not None:
            logits = logits + columns.permute(2, 0, 1)
        return logits

    def class_layers(self) -> list[tuple[nn.Module, int]]:
        """The last linear layer and the auxiliary head."""
        return [(layer, 1) for layer in (self.dense[-1], self.aux) if layer is not None]

    def columns(self, images: Tensor) -> Tensor:
        """(T, N, K) what forward returns."""
        logits: Tensor = self(images)
        return logits

    def objective(self, images: Tensor, targets: Tensor) -> Tensor:
        """CTC; the auxiliary head's CTC and the positions' cross-entropy, by their weights."""
        features = self.features(images)
        columns = None if self.aux is None else self.aux(features)
        logits = self.combined(features, columns)
        loss = self.loss(logits, targets)
        if self.ctc_smoothing:
            loss = torch.lerp(loss, -logits.float().log_softmax(dim=2).mean(), self.ctc_smoothing)
        if columns is None:
            return loss
        if self.aux_weight:
            logits = discount(columns.permute(2, 0, 1), self.aux_prior)
            loss = loss + self.aux_weight * self.loss(logits, targets)
        if self.places is not None:
            loss = loss + self.joint_weight * located_loss(columns, self.places, targets)
        return loss


def dropped_linear(features: int, outputs: int, dropout: float) -> nn.Sequential:
    """Dropout, then a linear layer without activation: fastai's LinBnDrop without its norm.

    Here and for the body torch's own means, for fastai takes seconds to load where a model only
    reads.
    """
    layers = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(features, outputs))


def start_orthogonal(layer: nn.LSTM) -> None:
    """Give an LSTM weights with which its states neither fade nor grow at first.

    With torch's own start, small and alike in all weights, CTC stands at guessing for twice as
    many images here: RESULTS.md.

    Source: Saxe et al. 2014 (arXiv:1312.6120); the forget gates' bias as in Jozefowicz et al. 2015.
    """
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.data.chunk(4):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
            if name.startswith("bias_ih"):
                nn.init.ones_(parameter.data.chunk(4)[1])


RAREST = 1e-4


def discount(logits: Tensor, power: float) -> Tensor:
    """(T, N, K) logits less the logarithm of each class's frequency in the batch, by a power.

    CTC begins by finding that a blank is always a good guess, and symbols hardly get a gradient
    until chance breaks that; on these images the loss stood at guessing for some 4,000 of them.
    With the blank's advantage taken away the features learn to read at once. Only for a head that
    decodes nothing: at power 0 the logits are as they were.

    Source: label priors as in Huang et al. 2024 (arXiv:2406.02560); theirs are of the epoch before
    and in the decoding head, ours of the batch and in the auxiliary one.
    """
    if not power:
        return logits
    frequency = logits.detach().float().softmax(dim=2).mean(dim=(0, 1)).clamp_min(RAREST)
    return logits - power * frequency.log()
