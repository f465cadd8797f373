#ifndef DEMO_API_HPP
#define DEMO_API_HPP

#include <headgate/testing/loopback_server.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

/// What the API and the program that watches it share; it lies in memory shared by two processes.
struct demo_board {
    static constexpr int allowed = 100;
    static constexpr std::chrono::milliseconds window{1000};
    static constexpr int records = 3000;
    static constexpr int page_size = 100;

    std::atomic<std::int64_t> latency_us{0};
    std::atomic<int> run{0}; // a new number starts a new count
    std::atomic<int> accepted{0};
    std::atomic<int> refused{0};
    std::atomic<int> most_in_window{0};
    std::atomic<int> in_flight{0};
    std::atomic<int> peak_in_flight{0};
    std::atomic<int> port{0};

    void begin(std::chrono::microseconds latency)
    {
        latency_us = latency.count();
        accepted = refused = most_in_window = peak_in_flight = 0;
        ++run;
    }
};

/// An API with a strict quota: never more than `allowed` requests in any sliding `window`, counted
/// when they arrive; what is too much gets 429 and is not counted against the quota.
class demo_api {
public:
    explicit demo_api(demo_board& board)
        : board_{board}, server_{context_.get_executor(), [this](auto request) {
                                     return answer(std::move(request));
                                 }}
    {
        board_.port = server_.port();
    }

    void run() { context_.run(); }

private:
    using clock = std::chrono::steady_clock;
    using response = headgate::testing::loopback_response;

    static void note_most(std::atomic<int>& most, int now)
    {
        if (now > most)
            most = now;
    }

    static void forget_old(std::deque<clock::time_point>& log, clock::time_point now)
    {
        while (!log.empty() && log.front() + demo_board::window <= now)
            log.pop_front();
    }

    bool admit()
    {
        if (board_.run != run_) {
            run_ = board_.run;
            arrived_.clear();
            counted_.clear();
        }
        const auto now = clock::now();
        forget_old(arrived_, now);
        forget_old(counted_, now);
        arrived_.push_back(now);
        note_most(board_.most_in_window, static_cast<int>(arrived_.size()));
        if (counted_.size() >= demo_board::allowed)
            return false;
        counted_.push_back(now);
        return true;
    }

    asio::awaitable<response> answer(headgate::testing::loopback_request request)
    {
        if (!admit()) {
            ++board_.refused;
            response refusal{429};
            co_return refusal.header("Retry-After", "1");
        }
        ++board_.accepted;
        note_most(board_.peak_in_flight, ++board_.in_flight);
        asio::steady_timer latency{context_, std::chrono::microseconds{board_.latency_us}};
        co_await latency.async_wait(asio::use_awaitable);
        --board_.in_flight;
        const std::string offset = request.query("offset");
        co_return response{200, page(offset.empty() ? 0 : std::stoi(offset))};
    }

    static std::string page(int begin)
    {
        nlohmann::json records = nlohmann::json::array();
        for (int i = begin; i < std::min(begin + demo_board::page_size, demo_board::records); ++i)
            records.push_back({{"id", i},
                               {"name", "record " + std::to_string(i)},
                               {"note", std::string(100, 'x')}});
        return nlohmann::json{{"count", demo_board::records}, {"results", records}}.dump();
    }

    demo_board& board_;
    asio::io_context context_{1};
    headgate::testing::loopback_server server_;
    int run_ = 0;
    std::deque<clock::time_point> arrived_;
    std::deque<clock::time_point> counted_;
};

#endif
