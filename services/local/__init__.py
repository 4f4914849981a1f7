"""The whole platform on one machine, without configuration: what `make run` starts."""
