"""The one use case: whose sessions, please?"""
