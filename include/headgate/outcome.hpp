#ifndef HEADGATE_OUTCOME_HPP
#define HEADGATE_OUTCOME_HPP

#include <headgate/detail/config.hpp>

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// How an extraction ended.
enum class outcome_code {
    in_progress,       ///< it has not ended yet
    complete,          ///< every record there is was delivered
    page_failed,       ///< a page could not be had, or what names the next one not be understood
    count_mismatch,    ///< the list ended before the number of records the server told of
    server_ceiling,    ///< the server refuses to give what, it says, is there
    list_changed,      ///< the list changed while it was read in a way that rows may be missing
    loop,              ///< the server leads in a circle, or gives the same page again and again
    empty_run,         ///< too many empty pages in a row, each with a next one
    foreign_origin,    ///< the next page or a redirect leads to another server, or to a private one
    bound_exceeded,    ///< an answer is larger, deeper or longer than the bounds allow
    cursor_expired,    ///< the server does not know the cursor of the next page any more
    page_cap,          ///< the caller's limit on pages was reached before the end
    wait_too_long,     ///< the server asked for a longer wait than the caller allows
    stalled,           ///< no page came for as long as the caller allows
    checkpoint_failed, ///< the checkpoint could not be read or written
    cancelled,         ///< the caller stopped it, or closed the limiter
};

/// The name of an outcome as `extract --stats` writes it, such as "complete" or "page_failed".
constexpr std::string_view to_string(outcome_code code) noexcept
{
    switch (code) {
    case outcome_code::in_progress:
        return "in_progress";
    case outcome_code::complete:
        return "complete";
    case outcome_code::page_failed:
        return "page_failed";
    case outcome_code::count_mismatch:
        return "count_mismatch";
    case outcome_code::server_ceiling:
        return "server_ceiling";
    case outcome_code::list_changed:
        return "list_changed";
    case outcome_code::bound_exceeded:
        return "bound_exceeded";
    case outcome_code::cursor_expired:
        return "cursor_expired";
    case outcome_code::loop:
        return "loop";
    case outcome_code::empty_run:
        return "empty_run";
    case outcome_code::foreign_origin:
        return "foreign_origin";
    case outcome_code::page_cap:
        return "page_cap";
    case outcome_code::wait_too_long:
        return "wait_too_long";
    case outcome_code::stalled:
        return "stalled";
    case outcome_code::checkpoint_failed:
        return "checkpoint_failed";
    case outcome_code::cancelled:
        return "cancelled";
    }
    return "unknown";
}

/// Whether an extraction delivered everything, and what proves it or what cut it short.
class outcome {
public:
    /// Not ended yet.
    outcome() = default;

    /// Ended that way, for that reason.
    outcome(outcome_code code, std::string reason) : code_{code}, reason_{std::move(reason)} {}

    /// How it ended.
    outcome_code code() const noexcept { return code_; }

    /// One line for a person: what proves that the list is complete ("total of 1200 reached"), or
    /// which page failed and why.
    const std::string& reason() const noexcept { return reason_; }

    /// Whether every record was delivered.
    bool complete() const noexcept { return code_ == outcome_code::complete; }

    /// Writes "complete: total of 1200 reached".
    friend std::ostream& operator<<(std::ostream& out, const outcome& value)
    {
        out << to_string(value.code_);
        if (!value.reason_.empty())
            out << ": " << value.reason_;
        return out;
    }

private:
    outcome_code code_ = outcome_code::in_progress;
    std::string reason_;
};

} // namespace HEADGATE_NAMESPACE

#endif
