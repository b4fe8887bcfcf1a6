"""`make cost`: the cost of a million turns, from measured units and assumed prices."""
