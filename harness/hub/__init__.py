"""Model hubs and downloads: the one place that talks to the network."""
