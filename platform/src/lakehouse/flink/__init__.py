"""Flink jobs: what each contract asks for, and the JobManager that runs them."""
