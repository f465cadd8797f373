#ifndef HEADGATE_TESTS_SUPPORT_CATCH_HPP
#define HEADGATE_TESTS_SUPPORT_CATCH_HPP

// Catch2 3 where it is installed, Debian's Catch2 2 otherwise.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif
