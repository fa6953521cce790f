"""The bus: everything Continuo knows about Redis, and the only room that imports it.

Law of the room: redis exceptions never leave it (`sentinel.mapped` turns them into `model.errors`); every
read-modify-write is one Lua file under `lua/` whose header lists KEYS, ARGV and reply; every key is named in
`keys.py`.
"""
