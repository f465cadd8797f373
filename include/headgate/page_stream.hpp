#ifndef HEADGATE_PAGE_STREAM_HPP
#define HEADGATE_PAGE_STREAM_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/error.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>

#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(use_awaitable.hpp)

#include <memory>
#include <optional>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// The pages of an extraction, as they come, and its outcome at the end. Made by `extract`.
/// @code
/// while (auto page = co_await stream.next())
///     for (const auto& record : page->records())
///         ...
/// std::cerr << stream.outcome() << '\n';
/// @endcode
///
/// Fetching goes on while the caller works on a page, until as many pages wait as may be in flight;
/// then it stops, and no token is spent, until the caller asks for the next.
///
/// @par Thread safety
/// `cancel`, `outcome` and `statistics` may be called from any thread; the rest as with any Asio
/// object. One `next` at a time.
///
/// @par Lifetime
/// Movable. Destroying the stream cancels the extraction: what is in flight is stopped as soon as
/// the executor runs, and no page is delivered any more.
class page_stream {
public:
    /// The type of the executor that it works on.
    using executor_type = asio::any_io_executor;

    /// For `extract`, which makes streams.
    explicit page_stream(std::shared_ptr<detail::extraction> run) : run_{std::move(run)} {}
    /// Leaves the other one fit for assignment and destruction only.
    page_stream(page_stream&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    page_stream& operator=(page_stream&& other) noexcept
    {
        if (this != &other) {
            leave();
            run_ = std::move(other.run_);
        }
        return *this;
    }
    ~page_stream() { leave(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return run_->pages().get_executor(); }

    /// The next page that has come, or nothing at the end; `outcome` says then how it went. Does
    /// not suspend if there is one, but for once in as many pages as may wait, so that others on
    /// the caller's strand have their turn. With a checkpoint the pages before are done with now,
    /// unless that is said by hand.
    /// @throws system_error only if cancelled, which leaves the stream as it was.
    asio::awaitable<std::optional<page>> next() { return take_next(run_); }

    /// As `next`, for any completion token.
    ///
    /// @par Completion signature
    /// `void(error_code, std::optional<page>)`
    /// @par Errors
    /// `asio::error::operation_aborted` if cancelled; no page was taken then, and the extraction
    /// goes on.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code, std::optional<page>)> Token>
    auto async_next(Token&& token)
    {
        run_->next_wanted();
        return run_->pages().async_receive(std::forward<Token>(token));
    }

    /// In a run with a checkpoint by hand: that page is done with, and is not delivered again by a
    /// run that goes on from there. It is saved when this returns. Pages may be done with in any
    /// order, also when the stream has ended; one that is twice is once.
    /// @throws what the checkpoint throws; the run has ended then as
    ///         `outcome_code::checkpoint_failed`.
    void acknowledge(const page& done) { run_->acknowledge(done.index()); }

    /// How it went; `outcome_code::in_progress` until `next` has given its last.
    headgate::outcome outcome() const
    {
        return run_->pages().outcome().value_or(headgate::outcome{});
    }

    /// What was done so far.
    extract_statistics statistics() const { return run_->statistics(); }

    /// Stops the extraction: requests in flight are dropped, the pages that have come are still
    /// handed out, the outcome is `outcome_code::cancelled`.
    void cancel() { run_->cancel(); }

private:
    static asio::awaitable<std::optional<page>> take_next(std::shared_ptr<detail::extraction> run)
    {
        run->next_wanted();
        if (auto at_once = run->try_next())
            co_return at_once;
        co_return co_await run->pages().async_receive(asio::use_awaitable);
    }

    void leave() noexcept
    {
        if (run_)
            run_->cancel();
        run_.reset();
    }

    std::shared_ptr<detail::extraction> run_;
};

} // namespace HEADGATE_NAMESPACE

#endif
