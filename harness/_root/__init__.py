"""What `import mosharness` shows: the public names, imported on first use."""
