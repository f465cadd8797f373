message(FATAL_ERROR "CURL was looked for, and nobody asked for it")
