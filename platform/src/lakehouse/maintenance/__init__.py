"""Maintenance of all tables, as their contracts ask for it: who reads them, and what is done to each."""
