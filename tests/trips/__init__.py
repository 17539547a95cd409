"""The tests of the room of trips."""
