"""`make cost` computes the cost of a million turns, from measured units and assumed prices."""
