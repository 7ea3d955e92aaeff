"""EfficientNet-lite2 in torch, with which the graph of the backbone is compared."""

import warnings
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet

from operators.encoders.everyday.backbone import EFFICIENTNET


class FeatureExtractor(torch.nn.Module):
    """Pictures, uint8 (N, H, W, 3) → features before pooling, (N, rows, cols, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.network = EfficientNet.from_name("efficientnet-lite2")
        self.network.load_state_dict(torch.load(EFFICIENTNET.path, map_location="cpu", weights_only=True))
        # the package pads for odd sizes of 260 px; our sizes are even, and the last stride pads for them
        last = [m for m in self.network.modules() if hasattr(m, "static_padding") and max(m.stride) == 2][-1]
        last.static_padding = torch.nn.ZeroPad2d((1, 2, 1, 2))
        self.eval()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        scaled = (pictures.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        features: torch.Tensor = self.network.extract_features(scaled)
        return features.permute(0, 2, 3, 1)


def export(path: Path) -> None:
    """Exports ONNX with torch, which folds batch normalisations; the graph was made like this until 0.1.0."""
    axes = {"pictures": {0: "n", 1: "height", 2: "width"}, "features": {0: "n", 1: "rows", 2: "cols"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            FeatureExtractor(),
            (torch.zeros(2, 224, 224, 3, dtype=torch.uint8),),
            str(path),
            input_names=["pictures"],
            output_names=["features"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
