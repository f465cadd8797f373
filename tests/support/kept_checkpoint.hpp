#ifndef HEADGATE_TESTS_SUPPORT_KEPT_CHECKPOINT_HPP
#define HEADGATE_TESTS_SUPPORT_KEPT_CHECKPOINT_HPP

#include <headgate/checkpoint.hpp>
#include <headgate/testing/virtual_clock.hpp>

#include <cstddef>
#include <deque>
#include <functional>
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
        for (const clock::time_point each : spent)
            if (clock::now() - each < lookback)
                result.tokens.push_back({clock::now() - each, 1});
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

    void spend(std::size_t tokens) override
    {
        if (fails)
            throw std::runtime_error{"the disk is full"};
        for (std::size_t i = 0; i < tokens; ++i)
            spent.push_back(clock::now());
    }

    void pause(std::chrono::nanoseconds length) override { pause_end = clock::now() + length; }

    std::string progress;
    std::vector<std::string> keys;
    std::deque<clock::time_point> spent;
    clock::time_point pause_end = clock::time_point::min();
    std::function<void()> on_save;
    std::size_t saves = 0;
    bool fails = false;
};

} // namespace support

#endif
