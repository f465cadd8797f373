# Settings of headgate's own tests and examples; nothing here reaches a consumer.
add_library(headgate_development INTERFACE)
target_compile_options(
  headgate_development INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                 $<$<BOOL:${HEADGATE_WERROR}>:-Werror>)
