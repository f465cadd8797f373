#ifndef EXTRACT_PROGRESS_HPP
#define EXTRACT_PROGRESS_HPP

#include <headgate/page_stream.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// One line on a terminal's standard error that is written anew a few times a second.
///
/// It is all ASCII and has no colours. The cursor stays at its beginning: a terminal that gets
/// narrower and breaks the line then keeps the cursor before all of it.
class progress_line {
public:
    /// @param before        records that a run before has brought
    /// @param records_shown whether the records go to a terminal, which shows enough then
    progress_line(asio::io_context& context, const headgate::page_stream& stream,
                  std::uint64_t before, std::string rate, bool quiet, bool records_shown)
        : stream_{stream}, before_{before}, rate_{std::move(rate)}, timer_{context}
    {
        if (!quiet && !(records_shown && ::isatty(STDOUT_FILENO) == 1) && is_capable())
            wait();
    }

    /// Takes the line away, to make room for other output until it is written again.
    void hide()
    {
        if (!shown_.empty())
            put("\r\x1b[J");
        shown_.clear();
    }

    /// Takes the line away for good.
    void stop()
    {
        hide();
        timer_.cancel();
    }

private:
    static bool is_capable()
    {
        const char* terminal = std::getenv("TERM");
        return ::isatty(STDERR_FILENO) == 1 && terminal && *terminal != '\0' &&
               std::string_view{terminal} != "dumb";
    }

    void wait()
    {
        timer_.expires_after(std::chrono::milliseconds{250});
        timer_.async_wait([this](std::error_code failed) {
            if (failed)
                return;
            show();
            wait();
        });
    }

    /// Nothing is erased before it is written over, and all is one write, so that nothing flickers.
    void show()
    {
        const std::size_t columns = width();
        std::string text = fitted(columns > 0 ? columns - 1 : 0);
        if ((text == shown_ && columns == columns_) || !is_ready())
            return;
        put('\r' + text + "\x1b[J\r");
        shown_ = std::move(text);
        columns_ = columns;
    }

    /// A terminal that is stopped would hold up the run, and one in whose background the program
    /// runs belongs to others.
    static bool is_ready()
    {
        pollfd terminal{STDERR_FILENO, POLLOUT, 0};
        const pid_t foreground = ::tcgetpgrp(STDERR_FILENO);
        return ::poll(&terminal, 1, 0) == 1 && (foreground < 0 || foreground == ::getpgrp());
    }

    static std::size_t width()
    {
        winsize window{};
        const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
        return known ? window.ws_col : 80;
    }

    static void put(const std::string& text)
    {
        // One write: what a terminal does not take is not worth another.
        static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
    }

    /// As many parts as there is room for, the most important first.
    std::string fitted(std::size_t columns) const
    {
        std::string result;
        for (const std::string& part : parts()) {
            const std::string more = (result.empty() ? "" : ", ") + part;
            if (!result.empty() && result.size() + more.size() > columns)
                break;
            result += more;
        }
        result.resize(std::min(result.size(), columns));
        return result;
    }

    std::vector<std::string> parts() const
    {
        const auto done = stream_.statistics();
        const double seconds = std::chrono::duration<double>(done.elapsed).count();
        std::vector<std::string> result;
        const std::uint64_t all = before_ + done.records;
        result.push_back(std::to_string(all) +
                         (done.total ? " of " + std::to_string(*done.total) : "") + " records");
        if (done.total && done.records > 0 && all < *done.total)
            result.push_back(clock_time(seconds * static_cast<double>(*done.total - all) /
                                        static_cast<double>(done.records)) +
                             " left");
        result.push_back(std::to_string(done.requests) + " requests in " + clock_time(seconds) +
                         " at " + rate_);
        result.push_back(std::to_string(done.in_flight) + " in flight");
        result.push_back(std::to_string(done.pages) + " pages");
        result.push_back(std::to_string(done.retries) + " retries");
        return result;
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
    std::uint64_t before_;
    std::string rate_;
    asio::steady_timer timer_;
    std::string shown_; ///< what stands there
    std::size_t columns_ = 0;
};

#endif
