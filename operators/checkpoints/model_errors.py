"""Turns the errors of model libraries into a ModelError that says what could not be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import ModelError


@contextmanager
def describing_model_errors(name: str, what: str) -> Iterator[None]:
    """Raises a ModelError for any error in the body. name: the checkpoint. what: what is read, e.g. "its weights"."""
    from safetensors import SafetensorError

    try:
        yield
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    except ImportError as error:  # some backbones and tokenizers need other packages: timm, sentencepiece
        raise ModelError(f"{name} needs a package that is not installed: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        said = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ModelError(f"{name}: {what} cannot be read: {said}") from error
