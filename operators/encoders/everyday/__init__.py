"""The embedded default model: open-vocabulary vectors for everyday words, on a CPU, from package wheels alone."""
