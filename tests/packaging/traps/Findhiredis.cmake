message(FATAL_ERROR "hiredis was looked for, and nobody asked for it")
