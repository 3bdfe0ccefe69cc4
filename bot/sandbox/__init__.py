"""Stand-ins for Slack and Fullstory: real servers on loopback, as awkward as the real ones.

The demo and the tests share them. A new awkwardness of the real thing is taught to them first.
"""
