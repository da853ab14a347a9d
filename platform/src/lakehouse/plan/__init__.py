"""What is to be done so that what runs, and the tables there are, become as the contracts want them."""

from lakehouse.plan.steps import Plan, Step

__all__ = ["Plan", "Step"]
