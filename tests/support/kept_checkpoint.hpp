#ifndef HEADGATE_TESTS_SUPPORT_KEPT_CHECKPOINT_HPP
#define HEADGATE_TESTS_SUPPORT_KEPT_CHECKPOINT_HPP

#include <headgate/checkpoint.hpp>
#include <headgate/testing/virtual_clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// A checkpoint in memory, in virtual time.
class kept_checkpoint final : public headgate::checkpoint {
    using clock = headgate::testing::virtual_clock;

public:
    state load(std::chrono::nanoseconds lookback) override
    {
        state result;
        result.progress = progress;
        result.keys = keys;
        for (std::size_t i = 0; i < spent.size(); ++i)
            if (clock::now() - spent[i] < lookback) {
                result.tokens.push_back({clock::now() - spent[i], 1});
                if (const auto answer = answers.find(i); answer != answers.end())
                    result.tokens.back().answered = clock::now() - answer->second;
            }
        result.pause = std::max(pause_end - clock::now(), clock::duration{0});
        return result;
    }

    void save(const std::string& now, const std::vector<std::string>& more) override
    {
        if (fails)
            throw std::runtime_error{"the disk is full"};
        ++saves;
        progress = now;
        keys.insert(keys.end(), more.begin(), more.end());
        if (on_save)
            on_save();
    }

    std::uint64_t spend(std::size_t tokens) override
    {
        if (fails)
            throw std::runtime_error{"the disk is full"};
        for (std::size_t i = 0; i < tokens; ++i)
            spent.push_back(clock::now());
        return spent.size() - 1;
    }

    void answered(std::uint64_t which) override { answers.emplace(which, clock::now()); }

    void pause(std::chrono::nanoseconds length) override { pause_end = clock::now() + length; }

    std::string progress;
    std::vector<std::string> keys;
    std::deque<clock::time_point> spent;
    std::map<std::uint64_t, clock::time_point> answers;
    clock::time_point pause_end{};
    std::function<void()> on_save;
    std::size_t saves = 0;
    bool fails = false;
};

} // namespace support

#endif
