"""A stand-in for Twilio's API that takes every message: python -m tests.bench.twilio PORT."""
