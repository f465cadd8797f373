message(FATAL_ERROR "SQLite3 was looked for, and nobody asked for it")
