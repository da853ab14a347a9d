"""The checks of streaming tables, one module each. They judge what was measured, and measure nothing themselves."""
