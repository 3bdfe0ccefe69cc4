"""Fullstory's side: what its API says (`protocol`) and how we ask it (`client`)."""
