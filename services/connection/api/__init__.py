"""The back ends' door: everything devices can ask for, and what only the house may, over HTTP with a key.

Opened by app.py on a port of its own. What is asked for is done by deeds.py, as it is for devices; in here is
only what HTTP needs: keys, who acts, problems, routes, the document that describes them.
"""
