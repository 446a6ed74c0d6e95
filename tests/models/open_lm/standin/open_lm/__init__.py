"""Stands in for OpenLM, which is on no package index: its flags, its files, its habits."""
