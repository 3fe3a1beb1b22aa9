"""Base modules: errors, registry, files, audio, hub. They import nothing else of ours."""
