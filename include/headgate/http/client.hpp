#ifndef HEADGATE_HTTP_CLIENT_HPP
#define HEADGATE_HTTP_CLIENT_HPP

#include <headgate/detail/asio.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/curl_engine.hpp>
#include <headgate/error.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(execution_context.hpp)
#include HEADGATE_ASIO(use_awaitable.hpp)

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace HEADGATE_NAMESPACE::http {

/// An HTTP client: libcurl inside the Asio loop.
///
/// HTTP/1.1 with keep-alive, HTTP/2 where TLS offers it, every content encoding libcurl was built
/// with. Certificates are verified. Only http and https are spoken; redirects are answers like any
/// other and not followed. A proxy that the environment names is used (http_proxy and its kin, to
/// be set before the first request). Bodies and header fields are limited in size, counted as they
/// arrive and after decompression. As many requests at once as there are; whoever wants fewer waits
/// before.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function and
/// never inside a callback of libcurl. An operation's cancellation signal must be emitted where its
/// handler would run.
///
/// @par Lifetime
/// Destroying the client drops the requests in flight, which complete with
/// `asio::error::operation_aborted`, and closes its connections. That cannot fail, so the program
/// ends if there is no memory for it. Idle connections do not keep `io_context::run` from
/// returning. A host name that is looked up when its request ends is looked up to its end, by a
/// thread of libcurl's.
class client {
    using initiate = detail::initiate_wait<detail::request_waiter, detail::curl_engine>;
    using signature = void(error_code, response);

public:
    /// The type of the executor that it works on.
    using executor_type = asio::any_io_executor;

    /// A client that connects as the options say.
    /// @throws std::runtime_error if libcurl cannot be used.
    explicit client(const executor_type& executor, const client_options& options = {})
        : engine_{detail::curl_engine::create(executor, options)}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    explicit client(Context& context, const client_options& options = {})
        : client(executor_type(context.get_executor()), options)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    client(client&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    client& operator=(client&& other) noexcept
    {
        if (this != &other) {
            leave();
            engine_ = std::move(other.engine_);
            owner_ = other.owner_;
        }
        return *this;
    }
    ~client() { leave(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return engine_->get_executor(); }

    /// The largest body that it receives, as its options say.
    std::size_t max_body_bytes() const noexcept { return engine_->max_body_bytes(); }

    /// Sends a request and receives the whole answer.
    ///
    /// @par Completion signature
    /// `void(error_code, http::response)`; with an error the response has the reason in
    /// `error_text` and what had come of the header fields and the body
    /// @par Errors
    /// An `http::error`, or `asio::error::operation_aborted` if cancelled. A status such as 404 is
    /// no error.
    /// @par Cancellation
    /// terminal and partial: the transfer is dropped, whatever the server makes of it. Total only
    /// until the request is handed to libcurl, after which nobody can say whether it was sent
    template <asio::completion_token_for<signature> Token>
    auto async_send(request what, Token&& token)
    {
        return asio::async_initiate<Token, signature>(initiate{engine_}, token, std::move(what));
    }

    /// As `async_send`, for coroutines.
    /// @throws transfer_error for whatever is not an answer, with `error_text` as its text.
    asio::awaitable<response> send(request what) { return send(share(), std::move(what)); }

    /// What it does and has done.
    client_statistics statistics() const { return engine_->statistics(); }

    /// A second handle on the same client that does not end it when destroyed. For components that
    /// must not dangle when the client itself goes before them.
    client share() const { return client{engine_}; }

private:
    explicit client(std::shared_ptr<detail::curl_engine> engine)
        : engine_{std::move(engine)}, owner_{false}
    {
    }

    static asio::awaitable<response> send(client self, request what)
    {
        auto answer =
            co_await self.async_send(std::move(what), detail::as_tuple(asio::use_awaitable));
        if (std::get<0>(answer))
            throw transfer_error{std::get<0>(answer), std::get<1>(answer).error_text()};
        co_return std::move(std::get<1>(answer));
    }

    void leave() noexcept
    {
        if (engine_ && owner_)
            engine_->close();
        engine_.reset();
    }

    std::shared_ptr<detail::curl_engine> engine_;
    bool owner_ = true;
};

} // namespace HEADGATE_NAMESPACE::http

#endif
