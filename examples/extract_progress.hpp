#ifndef EXTRACT_PROGRESS_HPP
#define EXTRACT_PROGRESS_HPP

#include <headgate/page_stream.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

/// One line on a terminal's standard error that is written anew a few times a second.
class progress_line {
public:
    progress_line(asio::io_context& context, const headgate::page_stream& stream, std::string rate,
                  bool quiet)
        : stream_{stream},
          rate_{std::move(rate)},
          timer_{context},
          shown_{!quiet && ::isatty(STDERR_FILENO) == 1}
    {
        if (shown_)
            show();
    }

    /// Takes the line away, to make room for other output until it is written again.
    void hide() const
    {
        if (shown_)
            std::cerr << "\r\x1b[K" << std::flush;
    }

    /// Takes the line away for good.
    void stop()
    {
        hide();
        shown_ = false;
        timer_.cancel();
    }

private:
    void show()
    {
        std::string text = describe();
        winsize window{};
        if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
            text.resize(std::min<std::size_t>(text.size(), window.ws_col - 1U));
        std::cerr << '\r' << text << "\x1b[K" << std::flush;
        timer_.expires_after(std::chrono::milliseconds{250});
        timer_.async_wait([this](std::error_code failed) {
            if (!failed && shown_)
                show();
        });
    }

    std::string describe() const
    {
        const auto done = stream_.statistics();
        const double seconds = std::chrono::duration<double>(done.elapsed).count();
        std::string text = std::to_string(done.pages) + " pages, " + std::to_string(done.records);
        if (done.total)
            text += " of " + std::to_string(*done.total);
        text += " records, " + std::to_string(done.requests) + " requests in " +
                clock_time(seconds) + " at " + rate_ + ", " + std::to_string(done.in_flight) +
                " in flight, " + std::to_string(done.retries) + " retries";
        if (done.total && done.records > 0 && done.records < *done.total)
            text += ", " +
                    clock_time(seconds * static_cast<double>(*done.total - done.records) /
                               static_cast<double>(done.records)) +
                    " left";
        return text;
    }

    static std::string clock_time(double seconds)
    {
        const auto whole = static_cast<std::uint64_t>(seconds);
        char text[32];
        std::snprintf(text, sizeof text, "%llu:%02u", static_cast<unsigned long long>(whole / 60),
                      static_cast<unsigned>(whole % 60));
        return text;
    }

    const headgate::page_stream& stream_;
    std::string rate_;
    asio::steady_timer timer_;
    bool shown_;
};

#endif
