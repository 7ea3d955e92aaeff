"""Query proxies: what the windows of a frame say of each name, written into one vector in closed form.

DetailCLIP (section 3.4.2) learns to answer class names as the best window does. Which cosines are wanted is known for
every frame, trained on or not, and a vector that has them follows by least squares; the transformer learns what is
left.
"""

import torch


def proxy_similarities(windows: torch.Tensor, texts: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """`sim(w, u_max)`: for every text and picture the cosine of the window nearest to the text, which is what
    multi-vector search ranks by. windows: (B, P, D), texts: (T, D), L2-normalised. Returns (T, B).

    present: bool (B, P), False for windows that a picture does not have.
    """
    cosines = torch.einsum("td,bpd->tbp", texts, windows)
    if present is not None:
        cosines = cosines.masked_fill(~present, -torch.inf)
    return cosines.amax(dim=-1)


class QueryProxies(torch.nn.Module):
    """windows (N, P, D) and base (N, D) → (N, D), what to add to the base so that it answers each name as the nearest
    window does: ridge regression, the least change that does so nearly. `start_from` sets it; it is not trained.

    names: (K, D). answers: (K, D), what a name's missing cosine adds.
    """

    names: torch.Tensor
    answers: torch.Tensor

    def __init__(self, count: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("names", torch.zeros(count, dimension))
        self.register_buffer("answers", torch.zeros(count, dimension))

    def start_from(self, texts: torch.Tensor, *, ridge: float) -> None:
        """texts: float32 (K, D), L2-normalised. ridge: against answers that names much alike would blow up."""
        exact = texts.double()
        gram = exact @ exact.T + ridge * torch.eye(len(texts), dtype=torch.float64)
        self.names.copy_(texts)
        self.answers.copy_(torch.linalg.solve(gram, exact).float())

    def forward(self, windows: torch.Tensor, base: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """present: bool (N, P), False where a picture has fewer windows than others."""
        missing = proxy_similarities(windows, self.names, present).T - base @ self.names.T
        return missing @ self.answers
