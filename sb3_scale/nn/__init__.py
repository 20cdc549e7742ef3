"""Primitives that parts are made of: ensemble layers, networks, actors, critics and losses."""
