message(FATAL_ERROR "nlohmann_json was looked for, and nobody asked for it")
