#include <headgate/detail/ring.hpp>

#include "support/catch.hpp"

#include <deque>
#include <memory>
#include <random>

using headgate::detail::ring;

TEST_CASE("a ring holds what a deque holds")
{
    std::mt19937 random{1};
    ring<std::unique_ptr<int>> mine;
    std::deque<int> expected;
    for (int i = 0; i < 10'000; ++i) {
        const auto choice = random() % 100;
        // Grows to some hundred elements and shrinks again, more than once.
        if (choice < (i / 1000 % 2 == 0 ? 60U : 40U)) {
            mine.push_back(std::make_unique<int>(i));
            expected.push_back(i);
        } else if (!expected.empty() && choice % 2 == 0) {
            mine.pop_front();
            expected.pop_front();
        } else if (!expected.empty()) {
            mine.pop_back();
            expected.pop_back();
        }
        REQUIRE(mine.size() == expected.size());
        REQUIRE(mine.empty() == expected.empty());
        if (!expected.empty())
            REQUIRE(*mine.front() == expected.front());
        bool same = true;
        for (std::size_t at = 0; at < expected.size(); ++at)
            same = same && *mine[at] == expected[at];
        REQUIRE(same);
    }
}

TEST_CASE("rings are copied, moved and swapped")
{
    ring<int> first;
    for (int i = 0; i < 7; ++i)
        first.push_back(int{i});
    first.pop_front();
    ring<int> copy{first};
    copy[0] = 10;
    CHECK(first[0] == 1);
    ring<int> moved{std::move(first)};
    CHECK(moved.size() == 6);
    CHECK(moved[5] == 6);
    moved = copy;
    CHECK(moved[0] == 10);
    copy = ring<int>{};
    CHECK(copy.empty());
    copy.swap(moved);
    CHECK(copy.size() == 6);
    CHECK(moved.empty());
}
