"""Query proxies: a closed-form vector whose cosines with a set of names are close to those of a frame's best windows.

DetailCLIP (section 3.4.2) learns a vector that has the same cosine with each class name as the best window. These
cosines are known for every frame, also for frames outside the training set, and a vector with these cosines follows by
least squares. The transformer learns only the remainder.
"""

import torch


def proxy_similarities(windows: torch.Tensor, texts: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """(T, B): `sim(w, u_max)`, the cosine of each text and the nearest window of each picture.

    Multi-vector search ranks by this cosine.

    windows: (B, P, D), texts: (T, D), L2-normalised. present: bool (B, P), False for windows that a picture lacks.
    """
    cosines = torch.einsum("td,bpd->tbp", texts, windows)
    if present is not None:
        cosines = cosines.masked_fill(~present, -torch.inf)
    return cosines.amax(dim=-1)


class QueryProxies(torch.nn.Module):
    """Computes what to add to a base vector so that its cosine with each name is close to that of the nearest window.

    windows (N, P, D) and base (N, D) → (N, D). By ridge regression, it is the smallest change that nearly achieves
    this. The proxies are set by `start_from`, and are not trained.

    names: (K, D), vectors of the names. answers: (K, D), the vector that is added for each name, per missing cosine.
    """

    names: torch.Tensor
    answers: torch.Tensor

    def __init__(self, count: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("names", torch.zeros(count, dimension))
        self.register_buffer("answers", torch.zeros(count, dimension))

    def start_from(self, texts: torch.Tensor, *, ridge: float) -> None:
        """Sets the names. texts: float32 (K, D), L2-normalised.

        ridge: regularisation, which limits the answers of names that are very similar.
        """
        exact = texts.double()
        gram = exact @ exact.T + ridge * torch.eye(len(texts), dtype=torch.float64)
        self.names.copy_(texts)
        self.answers.copy_(torch.linalg.solve(gram, exact).float())

    def forward(self, windows: torch.Tensor, base: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """What to add to `base`. present: bool (N, P), False for windows that a picture lacks."""
        missing = proxy_similarities(windows, self.names, present).T - base @ self.names.T
        return missing @ self.answers
