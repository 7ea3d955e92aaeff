"""The query-proxy loss: the cosine of the fused vector with a class name should equal that of the best window.

Source: DetailCLIP, section 3.4.2, equation 7 and listing 1.
"""

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name


def query_proxy_loss(
    found: torch.Tensor, wanted: torch.Tensor, *, found_scale: torch.Tensor, wanted_scale: float
) -> torch.Tensor:
    """`D[sim(v, w), sim(w, u_max)]`. found: cosines of fused vectors and texts; wanted: `proxy_similarities`; (T, B).

    The paper leaves D open. Here it is the Kullback-Leibler divergence from the wanted to the found distribution, once
    over the pictures of the batch for each text, as retrieval orders them, and once over the texts for each picture.
    Cosines become logits by a scale. That of found cosines is learnt, as a unit vector cannot be as near to many
    different texts as each of its windows is to its own. Returns a scalar, at least 0.
    """
    parts = [
        F.kl_div(
            F.log_softmax(found_scale * found, dim=dim),
            F.log_softmax(wanted_scale * wanted, dim=dim),
            log_target=True,
            reduction="none",
        ).sum(dim=dim)
        for dim in (0, 1)
    ]
    return parts[0].mean() + parts[1].mean()
