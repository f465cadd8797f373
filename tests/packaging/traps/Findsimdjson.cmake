message(FATAL_ERROR "simdjson was looked for, and nobody asked for it")
