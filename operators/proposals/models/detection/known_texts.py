"""Caches the text encoding of Grounding DINO, which would otherwise run BERT on the same words for every batch."""

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput


class KnownTexts(nn.Module):
    """Replaces the text backbone of a model, and remembers its output for every prompt.

    All rows of a batch hold one prompt, which goes through the backbone as a single row. So the output does not depend
    on the number of pictures in a batch, and equals the backbone's own output for one row bit for bit.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._known: dict[tuple[int, ...], torch.Tensor] = {}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        position_ids: torch.Tensor,
        *,
        return_dict: bool = True,
    ) -> BaseModelOutput | tuple[torch.Tensor]:
        """input_ids: int64 (N, L), equal rows; the others are the backbone's arguments. Returns float (N, L, D)."""
        key = tuple(input_ids[0].tolist())
        if key not in self._known:
            one = (input_ids[:1], attention_mask[:1], token_type_ids[:1], position_ids[:1])
            self._known[key] = self.backbone(*one, return_dict=True).last_hidden_state
        states: Any = self._known[key].expand(len(input_ids), -1, -1)
        return BaseModelOutput(last_hidden_state=states) if return_dict else (states,)


def know_texts(model: Any) -> None:
    """Installs the cache in a (MM)GroundingDinoForObjectDetection; all rows of a batch must then have one prompt."""
    if not isinstance(model.model.text_backbone, KnownTexts):
        model.model.text_backbone = KnownTexts(model.model.text_backbone)
