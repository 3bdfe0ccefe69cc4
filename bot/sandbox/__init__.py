"""Stand-ins for Slack and Fullstory: real servers on loopback, as awkward as the real ones.

The demo and the tests share them. Teach them first when the real ones behave in a new way.
"""
