"""Makes what is deployed to AWS: one directory a function, the same bytes whenever nothing changed.

Only the standard library is imported here: `sam build` calls it on whatever Python the machine has.
"""
