#ifndef HEADGATE_REDIS_CLIENT_HPP
#define HEADGATE_REDIS_CLIENT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/client_core.hpp>
#include <headgate/redis/detail/command_waiter.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/fwd.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/script.hpp>
#include <headgate/redis/server_info.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(execution_context.hpp)

#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::redis {

/// A client of Redis, or of Valkey: hiredis inside the Asio loop.
///
/// One connection, made when a command needs it and made again when it was lost, with a growing
/// pause between attempts that fail. Commands go out in the order of their calls without waiting
/// for each other's replies. Those that were sent when the connection broke fail with
/// `error::connection_lost`: nobody knows whether Redis has executed them. Those that were not are
/// sent on the next connection, for as long as their timeout allows.
///
/// Why hiredis: it is the client library that Redis' own project maintains, small, in every
/// distribution, and its asynchronous part leaves the loop to its user. Boost.Redis would do too,
/// but needs a Boost later than Debian 12 has. What subscribes, and MONITOR, is not for this
/// client.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function,
/// never under a lock and never inside a callback of hiredis. An operation's cancellation signal
/// must be emitted where its handler would run.
///
/// @par Lifetime
/// Destroying the client closes the connection and completes its commands with
/// `asio::error::operation_aborted`. That cannot fail, so the program ends if there is no memory
/// for it. An idle connection does not keep `io_context::run` from returning.
///
/// @tparam Executor the I/O executor, used by the connection and by handlers without one of their
///                  own
template <class Executor>
class basic_client {
    using core = detail::redis_client_core<Executor>;
    using initiate = detail::initiate_wait<detail::command_waiter, core>;
    using signature = void(error_code, reply);

public:
    /// The type of the executor that it works on.
    using executor_type = Executor;
    /// Makes the arguments of a script of what is known about the Redis that they are sent to. It
    /// is called under the client's lock, at most once for each time that they are sent, and must
    /// not call the client.
    using make_arguments = detail::redis_command::make_arguments;

    /// The same client with another executor type, for `use_awaitable_t<>::as_default_on_t`.
    template <class OtherExecutor>
    struct rebind_executor {
        /// That type.
        using other = basic_client<OtherExecutor>;
    };

    /// A client that connects as the options say, when there is something to send.
    explicit basic_client(const executor_type& executor, const client_options& options = {})
        : core_{core::create(executor, options)}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    explicit basic_client(Context& context, const client_options& options = {})
        : basic_client(executor_type(context.get_executor()), options)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    basic_client(basic_client&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_client& operator=(basic_client&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
            owner_ = other.owner_;
        }
        return *this;
    }
    ~basic_client() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }
    /// What it was made with.
    const client_options& options() const noexcept { return core_->options(); }
    /// Which Redis it is or was connected to last.
    server_info server() const { return core_->server(); }
    /// Whether there is a connection, as far as is known.
    bool connected() const { return core_->connected(); }

    /// Sends a command and receives its reply.
    ///
    /// @par Completion signature
    /// `void(error_code, reply)`; with an error the reply has the reason in `text()`
    /// @par Errors
    /// `error::server_error` if Redis refuses it, any other of `redis::error` if there is no
    /// reply, `asio::error::timed_out` if there is none within the command timeout,
    /// `asio::error::operation_aborted` if cancelled.
    /// @par Cancellation
    /// terminal, partial and total: it completes at once. If it was sent by then Redis may execute
    /// it, and its reply is dropped.
    template <asio::completion_token_for<signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_command(std::vector<std::string> arguments,
                       Token&& token = asio::default_completion_token_t<Executor>())
    {
        detail::redis_command what;
        what.arguments = std::move(arguments);
        return asio::async_initiate<Token, signature>(initiate{core_}, token, std::move(what));
    }

    /// As above with a timeout of its own, for commands that block in Redis. A client can do
    /// nothing else meanwhile, so such commands are best given one of their own.
    template <asio::completion_token_for<signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_command_for(std::chrono::milliseconds timeout, std::vector<std::string> arguments,
                           Token&& token = asio::default_completion_token_t<Executor>())
    {
        detail::redis_command what;
        what.arguments = std::move(arguments);
        what.timeout = timeout;
        return asio::async_initiate<Token, signature>(initiate{core_}, token, std::move(what));
    }

    /// Calls a script with keys and arguments: by its SHA-1 (EVALSHA), and by its text (EVAL) where
    /// Redis does not know that. What is sent later may overtake a script that had to be sent
    /// twice.
    ///
    /// Otherwise as `async_command`.
    template <asio::completion_token_for<signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_eval(script which, std::vector<std::string> keys, std::vector<std::string> arguments,
                    Token&& token = asio::default_completion_token_t<Executor>())
    {
        detail::redis_command what;
        what.script = std::move(which);
        what.arguments = std::move(keys);
        what.given = std::move(arguments);
        return asio::async_initiate<Token, signature>(initiate{core_}, token, std::move(what));
    }

    /// As above, with arguments that depend on which Redis they go to, and with a timeout of its
    /// own.
    template <asio::completion_token_for<signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_eval_for(std::chrono::milliseconds timeout, script which,
                        std::vector<std::string> keys, make_arguments arguments,
                        Token&& token = asio::default_completion_token_t<Executor>())
    {
        detail::redis_command what;
        what.script = std::move(which);
        what.arguments = std::move(keys);
        what.more = std::move(arguments);
        what.timeout = timeout;
        return asio::async_initiate<Token, signature>(initiate{core_}, token, std::move(what));
    }

    /// Waits until there is a connection, and begins to connect if there is none; `server()` is
    /// known then. Otherwise as `async_command`, with an empty reply.
    template <asio::completion_token_for<signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_connect(Token&& token = asio::default_completion_token_t<Executor>())
    {
        detail::redis_command what;
        what.only_connects = true;
        return asio::async_initiate<Token, signature>(initiate{core_}, token, std::move(what));
    }

    /// Closes the connection and completes all commands, also those that come later, with
    /// `asio::error::operation_aborted`.
    void close() { core_->close(); }

    /// A second handle on the same client that does not end it when destroyed. For components that
    /// must not dangle when the client itself goes before them.
    basic_client share() const { return basic_client{core_}; }

private:
    explicit basic_client(std::shared_ptr<core> shared) : core_{std::move(shared)}, owner_{false} {}

    void release() noexcept
    {
        if (core_ && owner_ && !core_->context_gone())
            core_->close();
        core_.reset();
    }

    std::shared_ptr<core> core_;
    bool owner_ = true;
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
