"""Body of resnet34, He et al. 2015 (arXiv:1512.03385): layers, names, first weights by torchvision.

torchvision itself takes longer to load than all else that reading one image needs together. The
weights are drawn in its order, those of its last layer too, so that a seed gives the same model
(`tests/captcha_models/architectures/test_resnet.py`); pretrained ones come from there.
"""

from torch import Tensor, nn

from captcha_models.errors import InputError

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Channels and blocks of each stage; the second and later ones halve the image."""
CLASSES = 1000
"""ImageNet's, of the layer that no recogniser keeps."""


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a way around them.

    Args:
        channels: (in, out).
        stride: of the first convolution and of the way around.
        downsample: the way around, where channels or size change.
    """

    def __init__(
        self, channels: tuple[int, int], stride: int, downsample: nn.Module | None
    ) -> None:
        super().__init__()
        inside, out = channels
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = downsample

    def forward(self, images: Tensor) -> Tensor:
        """(N, in, H, W) features to (N, out, H / stride, W / stride)."""
        features = self.relu(self.bn1(self.conv1(images)))
        around = images if self.downsample is None else self.downsample(images)
        result: Tensor = self.relu(self.bn2(self.conv2(features)).add_(around))
        return result


def resnet34_body(cut: int, *, pretrained: bool = False) -> nn.Sequential:
    """The first layers of resnet34: (N, 3, H, W) images to (N, C, h, w) features.

    Args:
        cut: how many of its children are kept, 4 (before the first stage) to 8 (all stages).
        pretrained: with ImageNet's weights, which torchvision downloads.

    Raises:
        InputError: these cannot be downloaded.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(3, STAGES[0][0], 7, 2, 3, bias=False),
        nn.BatchNorm2d(STAGES[0][0]),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    before = STAGES[0][0]
    for number, (channels, blocks) in enumerate(STAGES):
        layers.append(_stage(before, channels, blocks, stride=2 if number else 1))
        before = channels
    nn.Linear(before, CLASSES)
    body = nn.Sequential(*layers)
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if pretrained:
        body.load_state_dict(_pretrained())
    return body[:cut]


def _stage(before: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    downsample = None
    if stride != 1 or before != channels:
        downsample = nn.Sequential(
            nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    first = Block((before, channels), stride, downsample)
    return nn.Sequential(first, *(Block((channels, channels), 1, None) for _ in range(blocks - 1)))


def _pretrained() -> dict[str, Tensor]:
    from torchvision.models import ResNet34_Weights, resnet34

    try:
        model = resnet34(weights=ResNet34_Weights.DEFAULT)
    except OSError as error:
        # urllib's and the socket's errors are all OSErrors.
        raise InputError(
            f"pretrained = true: the weights of resnet34 cannot be downloaded ({error}); "
            "train from scratch, or put them into torch's cache"
        ) from None
    weights: dict[str, Tensor] = nn.Sequential(*list(model.children())[:8]).state_dict()
    return weights
