#ifndef HEADGATE_REDIS_WORK_STREAM_HPP
#define HEADGATE_REDIS_WORK_STREAM_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/random_name.hpp>
#include <headgate/redis/detail/work_call.hpp>
#include <headgate/redis/detail/work_core.hpp>
#include <headgate/redis/detail/work_request.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/fwd.hpp>
#include <headgate/redis/work_item.hpp>
#include <headgate/redis/work_stream_options.hpp>
#include <headgate/redis/work_stream_statistics.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(execution_context.hpp)

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::redis {

/// A work queue that any number of processes share, on any number of machines: a stream of Redis
/// with a consumer group.
///
/// Items are texts. They are pushed by any process and popped by any, and each is acknowledged
/// exactly once. Who pops waits in order within a process; after `async_close`, when every item is
/// acknowledged, all pops of all processes complete with an empty optional.
///
/// @par Exactly once
/// An item is handed out to one worker at a time, and to another one only if the first gives it
/// back or gives no sign of life for the visibility time. Signs of life are given by this class, as
/// long as the item, the stream and the event loop live, so work may take any time. Whoever has an
/// item taken away does not get it acknowledged any more: `async_acknowledge` and `async_update`
/// check that in the same step in which they do their work, and fail with `error::taken_over`
/// having done nothing. What they keep in `fields` for the caller is kept in that step, too, so
/// that it always fits what is acknowledged, such as how many bytes of an output are. Steps are
/// asked for again until their answer comes; one that was taken is not taken twice.
///
/// @par Work that fails
/// What a worker has given back by `async_fail` or by dropping it, and what was taken over, is
/// handed out again, until it has failed `max_deliveries` times. Then it is set aside with the last
/// reason, and the rest goes on. A pop that is cancelled takes nothing.
///
/// @par One job for a key
/// Whoever starts first puts the items in, by `async_seed`; the others do nothing, so that all can
/// be started alike. The job's text, such as its URL and options, is kept: another job is refused
/// there. When a job is finished its keys expire after a while, and only then.
///
/// @par Redis away or started again
/// Operations wait for it, for the `patience`. With persistence the work goes on. If anything was
/// lost that this process has seen, all of its operations fail with `error::state_lost`; it never
/// looks as if all were done. Redis has to write what it has answered before it can be lost:
/// `appendonly yes`; with `appendfsync always` also if its machine fails.
///
/// @par In Redis
/// The keys are `{key}:stream` and so on, in one slot of a cluster. Needs Redis 6.2 or Valkey, and
/// INFO allowed to its user. How many items there are is bounded by the memory of Redis only.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function and
/// never under a lock. An operation's cancellation signal must be emitted where its handler would
/// run.
///
/// @par Lifetime
/// Destroying the stream completes the waiting operations with `asio::error::operation_aborted`.
/// Items that this process holds then are taken over by others after the visibility time, or at
/// once if they were given back by `async_release` before. That it destroys cannot fail, so the
/// program ends if there is no memory for it. A stream must not be used on both sides of a fork.
///
/// @par Cancellation
/// Of pops and joins: terminal, partial and total. Of all others: terminal and partial; whether the
/// step was taken is not known then.
///
/// @par Errors
/// Besides those that are told of each operation: `error::state_lost`; `error::not_seeded` before
/// anybody has called `async_seed`, for which pops and joins wait instead; the errors of
/// `redis::client`, with its text in `last_error`; `asio::error::operation_aborted`.
///
/// @tparam Executor the I/O executor, used by the connections and by handlers without one of their
///                  own
template <class Executor>
class basic_work_stream {
    using core = detail::work_core<Executor>;
    using plain_signature = void(error_code);
    using pop_signature = void(error_code, std::optional<work_item>);
    template <class Result>
    using signature_for = void(error_code, Result);
    template <class Operation>
    using initiate = detail::initiate_wait<Operation, core>;

public:
    /// What it hands out.
    using value_type = work_item;
    /// The clock of `async_pop_until`.
    using clock_type = std::chrono::steady_clock;
    /// The type of the executor that it works on.
    using executor_type = Executor;

    /// The same stream with another executor type, for `use_awaitable_t<>::as_default_on_t`.
    template <class OtherExecutor>
    struct rebind_executor {
        /// That type.
        using other = basic_work_stream<OtherExecutor>;
    };

    /// The work under that key. It makes two connections when they are needed, one of them to wait
    /// on.
    /// @throws std::invalid_argument if the key is empty or has a brace in it.
    basic_work_stream(const executor_type& executor, const client_options& where,
                      const std::string& key, const work_stream_options& options = {})
        : core_{core::create(executor, where, checked(key), options)}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    basic_work_stream(Context& context, const client_options& where, const std::string& key,
                      const work_stream_options& options = {})
        : basic_work_stream(executor_type(context.get_executor()), where, key, options)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    basic_work_stream(basic_work_stream&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_work_stream& operator=(basic_work_stream&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~basic_work_stream() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }
    /// What it was made with.
    const work_stream_options& options() const noexcept { return core_->options(); }
    /// How many items this process holds.
    std::size_t held() const { return core_->held(); }
    /// What went wrong last between here and Redis, for messages; empty if nothing did.
    std::string last_error() const { return core_->last_error(); }

    /// Puts the items in if nobody has done that yet, in one step however many there are. They
    /// should not be more than some ten thousand: Redis does nothing else meanwhile.
    ///
    /// @par Completion signature
    /// `void(error_code, seeding)`
    /// @par Errors
    /// `error::other_job` if the job that is there has another text, which is in the result.
    template <asio::completion_token_for<void(error_code, seeding)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_seed(std::string job, std::vector<std::string> items,
                    Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call<seeding>(
            detail::seed_request(std::move(job), false, detail::random_name(), items),
            std::forward<Token>(token));
    }

    /// As `async_seed`, and closes the stream in the same step: besides these there will only be
    /// what follows from them.
    template <asio::completion_token_for<void(error_code, seeding)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_seed_all(std::string job, std::vector<std::string> items,
                        Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call<seeding>(
            detail::seed_request(std::move(job), true, detail::random_name(), items),
            std::forward<Token>(token));
    }

    /// Puts one more item in.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `headgate::error::closed` if anybody has closed the stream; the item is not in it then.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_push(std::string item, Token&& token = asio::default_completion_token_t<Executor>())
    {
        std::vector<std::string> items;
        items.push_back(std::move(item));
        return async_push_all(std::move(items), std::forward<Token>(token));
    }

    /// Puts several in, all of them or none. Otherwise as `async_push`.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_push_all(std::vector<std::string> items,
                        Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call(detail::push_request(items), std::forward<Token>(token));
    }

    /// Says that nobody, in whichever process, will push any more. Follow-up items are part of work
    /// that is not done, and still go in.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_close(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call(detail::work_request{detail::work_step::close}, std::forward<Token>(token));
    }

    /// Waits for an item in turn and takes it.
    ///
    /// @par Completion signature
    /// `void(error_code, std::optional<work_item>)`: an item, or no error and no item when all is
    /// done
    template <asio::completion_token_for<pop_signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_pop(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, pop_signature>(initiate<typename core::pop_op>{core_},
                                                          token);
    }

    /// As `async_pop`, but fails with `asio::error::timed_out` when `deadline` comes first. Nothing
    /// was taken then.
    template <asio::completion_token_for<pop_signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_pop_until(clock_type::time_point deadline,
                         Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, pop_signature>(
            initiate<typename core::pop_until_op>{core_}, token, deadline);
    }

    /// Says that the work of an item is done.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `error::taken_over` if somebody else has the item now, or it was given back: nothing was
    /// changed, and what was done for it is of no account. If it was cancelled, asking again tells
    /// whether it was done.
    /// @throws std::invalid_argument if there is no item in it; so do all that take one.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acknowledge(const work_item& item,
                           Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call(detail::acknowledge_request(checked(item), {}, {}), std::forward<Token>(token));
    }

    /// As above; in the same step these fields are set, and the items that follow from this one are
    /// put in.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acknowledge(const work_item& item, const work_fields& fields,
                           const std::vector<std::string>& follow_ups,
                           Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call(detail::acknowledge_request(checked(item), fields, follow_ups),
                    std::forward<Token>(token));
    }

    /// Replaces the payload of an item that is in work, such as by how far that has come, and sets
    /// these fields, in one step. Whoever gets the item after this worker gets the new payload;
    /// `item.payload()` stays as it is.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `error::taken_over` as above
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_update(const work_item& item, std::string payload, const work_fields& fields,
                      Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call(detail::update_request(checked(item), std::move(payload), fields),
                    std::forward<Token>(token));
    }

    /// Gives an item back that could not be done, and says why. It is handed out again, or set
    /// aside if it has failed too often. That may be soon: wait before, if that helps.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `error::taken_over` as above
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_fail(const work_item& item, std::string reason,
                    Token&& token = asio::default_completion_token_t<Executor>())
    {
        return give_back(item, "fail", std::move(reason), std::forward<Token>(token));
    }

    /// Sets an item aside that can never be done, and says why. Otherwise as `async_fail`.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_reject(const work_item& item, std::string reason,
                      Token&& token = asio::default_completion_token_t<Executor>())
    {
        return give_back(item, "reject", std::move(reason), std::forward<Token>(token));
    }

    /// Gives an item back for others to take at once, without its having failed: this process ends.
    /// Otherwise as `async_fail`.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_release(const work_item& item,
                       Token&& token = asio::default_completion_token_t<Executor>())
    {
        return give_back(item, "release", {}, std::forward<Token>(token));
    }

    /// Waits until the stream is closed and every item acknowledged or set aside.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_join(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, plain_signature>(initiate<typename core::join_op>{core_},
                                                            token);
    }

    /// What all processes have done so far.
    ///
    /// @par Completion signature
    /// `void(error_code, work_stream_statistics)`
    template <asio::completion_token_for<void(error_code, work_stream_statistics)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_statistics(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call<work_stream_statistics>(detail::work_request{detail::work_step::statistics},
                                            std::forward<Token>(token));
    }

    /// All that callers have kept with acknowledgements and updates.
    ///
    /// @par Completion signature
    /// `void(error_code, work_fields)`
    template <asio::completion_token_for<void(error_code, work_fields)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_fields(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return call<work_fields>(detail::work_request{detail::work_step::fields},
                                 std::forward<Token>(token));
    }

    /// The first `most` of the items that were set aside.
    ///
    /// @par Completion signature
    /// `void(error_code, std::vector<dead_item>)`
    template <asio::completion_token_for<void(error_code, std::vector<dead_item>)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_dead(std::size_t most, Token&& token = asio::default_completion_token_t<Executor>())
    {
        detail::work_request request{detail::work_step::dead};
        request.arguments.push_back(std::to_string(most));
        return call<std::vector<dead_item>>(std::move(request), std::forward<Token>(token));
    }

private:
    static const std::string& checked(const std::string& key)
    {
        if (key.empty() || key.find_first_of("{}") != std::string::npos)
            throw std::invalid_argument{"headgate::redis::work_stream: the key is \"" + key +
                                        "\", must have a character and no brace"};
        return key;
    }

    static const work_item& checked(const work_item& item)
    {
        if (!item)
            throw std::invalid_argument{"headgate::redis::work_stream: there is no item"};
        return item;
    }

    template <class Token>
    auto call(detail::work_request&& request, Token&& token)
    {
        return asio::async_initiate<Token, plain_signature>(
            initiate<detail::plain_work_call>{core_}, token, std::move(request));
    }

    template <class Result, class Token>
    auto call(detail::work_request&& request, Token&& token)
    {
        return asio::async_initiate<Token, signature_for<Result>>(
            initiate<detail::work_call_for<Result>>{core_}, token, std::move(request));
    }

    template <class Token>
    auto give_back(const work_item& item, std::string how, std::string reason, Token&& token)
    {
        return call(detail::return_request(checked(item).id(), item.deliveries(),
                                           options().max_deliveries(), std::move(how),
                                           std::move(reason)),
                    std::forward<Token>(token));
    }

    void release() noexcept
    {
        if (core_)
            core_->abandon();
        core_.reset();
    }

    std::shared_ptr<core> core_;
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
