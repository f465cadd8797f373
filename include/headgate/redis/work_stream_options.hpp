#ifndef HEADGATE_REDIS_WORK_STREAM_OPTIONS_HPP
#define HEADGATE_REDIS_WORK_STREAM_OPTIONS_HPP

#include <headgate/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace HEADGATE_NAMESPACE::redis {

/// How shared work is handed out. Every option has a default; setters can be chained and throw
/// `std::invalid_argument` for what cannot be. All processes of a job have to use the same.
class work_stream_options {
public:
    /// What times are given in.
    using milliseconds = std::chrono::milliseconds;

    /// After how long without a sign of life the items of a worker are taken over; 30 s unless set,
    /// 50 ms at least. Workers give a sign three times as often, by themselves, as long as their
    /// event loop runs: it must not be blocked for that long.
    work_stream_options& visibility(milliseconds time)
    {
        visibility_ = at_least(milliseconds{50}, time, "visibility");
        return *this;
    }
    /// What is set, or the default.
    milliseconds visibility() const noexcept { return visibility_; }

    /// How often an item is handed out before it is set aside; 5 unless set, 1 at least.
    work_stream_options& max_deliveries(std::size_t times)
    {
        if (times == 0)
            throw std::invalid_argument{
                "headgate::redis::work_stream_options: max_deliveries is 0, must be at least 1"};
        max_deliveries_ = times;
        return *this;
    }
    /// What is set, or the default.
    std::size_t max_deliveries() const noexcept { return max_deliveries_; }

    /// For how long a finished job is kept in Redis, so that everybody learns of its end, and who
    /// starts it again; a day unless set, 10 s at least. One that is not finished is kept for ever.
    work_stream_options& keep_finished(milliseconds time)
    {
        keep_finished_ = at_least(milliseconds{10'000}, time, "keep_finished");
        return *this;
    }
    /// What is set, or the default.
    milliseconds keep_finished() const noexcept { return keep_finished_; }

    /// For how long Redis may be away before those who wait are told; 60 s unless set. With 0 they
    /// are told at the first failure.
    work_stream_options& patience(milliseconds time)
    {
        patience_ = at_least(milliseconds{0}, time, "patience");
        return *this;
    }
    /// What is set, or the default.
    milliseconds patience() const noexcept { return patience_; }

private:
    /// Times are given to Redis, which has less room for them.
    static constexpr milliseconds most = std::chrono::hours{24 * 366};

    static milliseconds at_least(milliseconds least, milliseconds time, const char* name)
    {
        if (time < least || time > most)
            throw std::invalid_argument{std::string{"headgate::redis::work_stream_options: "} +
                                        name + " is " + std::to_string(time.count()) +
                                        " ms, must be " + std::to_string(least.count()) +
                                        " ms to " + std::to_string(most.count()) + " ms"};
        return time;
    }

    milliseconds visibility_{30'000};
    milliseconds keep_finished_ = std::chrono::hours{24};
    milliseconds patience_{60'000};
    std::size_t max_deliveries_ = 5;
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
