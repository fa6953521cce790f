"""What the services must agree on, and nothing else.

Law: four rooms on three floors, `bus -> runtime | wire -> model`; a fifth room is a change of the import
contracts. Nothing here imports a service.
"""
