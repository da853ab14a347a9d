"""The platform on Kubernetes: what of it follows from the contracts. The rest is the Helm chart's."""
