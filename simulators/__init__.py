"""Simulated users: taste, sessions, examination, clicks and purchases.

Arrays in, arrays out; nothing here knows the library it is used with. Documents are rows of a catalog, users and
queries are numbers from 0. What these modules return is the truth of a world: a policy that is judged in it may see
what was shown, clicked and bought, and nothing else.
"""
