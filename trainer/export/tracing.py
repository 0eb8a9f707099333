"""What every exporter traces: a token classifier with two inputs and one output."""

from __future__ import annotations

from typing import Any


def logits_only(network: Any) -> Any:
    """A torch module (token ids, attention mask) -> logits as float32, whatever else the model takes and gives."""
    import torch

    class Logits(torch.nn.Module):
        """Two inputs, one output."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            """Logits [rows, width, tags]."""
            outputs = self.network(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)
            logits: torch.Tensor = outputs[0]
            return logits.float()

    return Logits().eval()


def example_input() -> dict[str, Any]:
    """Two rows with padding, so that tracing sees a mask that masks."""
    import torch

    ids = torch.ones(2, 32, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 16:] = 0
    return {"input_ids": ids, "attention_mask": mask}
