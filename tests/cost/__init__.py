"""`make cost`: what a million turns cost, from units that are measured here and prices that are assumed."""
