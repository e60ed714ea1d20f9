"""An experiment as one page to look through: `document` gathers, `page` assembles.

The document is one JSON structure, described by schema.json; other views can be built on it.
"""
