#ifndef HEADGATE_DETAIL_IDLE_TRANSFERS_HPP
#define HEADGATE_DETAIL_IDLE_TRANSFERS_HPP

#include <headgate/detail/client_sockets.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/curl_transfer.hpp>
#include <headgate/detail/request_waiter.hpp>
#include <headgate/http/client_options.hpp>

#include <curl/curl.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Transfers to use again, because a new easy handle costs much. Those that it makes tell of the
/// sockets that they open and close.
class idle_transfers {
public:
    /// Both have to live as long as any connection that a transfer has opened.
    idle_transfers(const http::client_options& options, client_sockets& sockets)
        : options_{options}, sockets_{sockets}
    {
    }

    std::unique_ptr<waited_transfer> take()
    {
        if (idle_.empty())
            return make();
        auto transfer = std::move(idle_.back());
        idle_.pop_back();
        return transfer;
    }

    void put(std::unique_ptr<waited_transfer> transfer)
    {
        if (idle_.size() < options_.max_idle_connections())
            idle_.push_back(std::move(transfer));
    }

    void clear() noexcept { idle_.clear(); }

private:
    std::unique_ptr<waited_transfer> make()
    {
        auto transfer = std::make_unique<waited_transfer>(options_, sockets_);
        CURL* const easy = transfer->handle();
        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer.get());
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &on_open);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer.get());
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &on_close);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &sockets_);
        return transfer;
    }

    static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* address) noexcept
    {
        auto& transfer = *static_cast<waited_transfer*>(self);
        const curl_socket_t socket = transfer.open(*address);
        auto& sockets = transfer.sockets;
        if (socket == CURL_SOCKET_BAD)
            return socket;
        try {
            transfer.opened(socket);
            if (sockets.watcher)
                sockets.watcher->opened(socket);
            return socket;
        } catch (...) {
            on_close(&sockets, socket);
            return CURL_SOCKET_BAD;
        }
    }

    static int on_close(void* self, curl_socket_t socket) noexcept
    {
        auto& sockets = *static_cast<client_sockets*>(self);
        sockets.used.remove(socket);
        if (sockets.watcher)
            sockets.watcher->closed(socket);
        return ::close(socket);
    }

    const http::client_options& options_;
    client_sockets& sockets_;
    std::vector<std::unique_ptr<waited_transfer>> idle_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
