"""Measures how often a search finds the exchanges that answer a question, on data sets of long conversations."""
