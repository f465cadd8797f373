#ifndef HEADGATE_DETAIL_REQUEST_WAITER_HPP
#define HEADGATE_DETAIL_REQUEST_WAITER_HPP

#include <headgate/detail/client_sockets.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/curl_transfer.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

class request_waiter;

/// A transfer that knows whose it is and who waits for it.
class waited_transfer : public curl_transfer {
public:
    waited_transfer(const http::client_options& options, client_sockets& its)
        : curl_transfer{options, its.used}, sockets{its}
    {
    }

    client_sockets& sockets;
    request_waiter* op = nullptr;
};

/// Who waits for the answer to a request.
class request_waiter : public waiter<error_code, http::response> {
public:
    enum class stage { queued, begun, cancelled };

    explicit request_waiter(http::request&& what) : request{std::move(what)} {}

    http::request request;
    std::uint64_t id = 0;
    /// Moves on from `queued` once: to whichever comes first, the strand or the cancellation.
    std::atomic<stage> at{stage::queued};
    std::unique_ptr<waited_transfer> transfer;

protected:
    ~request_waiter() = default;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
