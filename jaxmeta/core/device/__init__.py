"""Rows while a program runs: found, moved and checked on the device."""
