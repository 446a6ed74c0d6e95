"""Turning documents into OpenLM's token shards, in parallel and resumable to the byte."""

from models.data.tokenizing.run import tokenize

__all__ = ["tokenize"]
