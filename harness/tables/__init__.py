"""Tables as people write them: one reader for truth, predictions, metadata, manifests, answers and gate scores."""
