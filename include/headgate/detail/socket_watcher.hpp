#ifndef HEADGATE_DETAIL_SOCKET_WATCHER_HPP
#define HEADGATE_DETAIL_SOCKET_WATCHER_HPP

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace headgate::detail {

/// Waits for libcurl's sockets, with one Asio descriptor for each. Whatever libcurl watches will
/// do: sockets, pipes, event descriptors. Used on one strand only.
///
/// The descriptors are libcurl's: they are adopted while it wants them watched and always released,
/// never closed, because libcurl may have given the number to another socket by then.
class socket_watcher {
public:
    /// Called on the strand when a socket is ready, with CURL_CSELECT_ flags.
    using ready = std::function<void(curl_socket_t, int)>;

    socket_watcher(asio::any_io_executor strand, ready on_ready)
        : strand_{std::move(strand)}, ready_{std::make_shared<ready>(std::move(on_ready))}
    {
    }

    /// Waits for what libcurl wants of a socket: CURL_POLL_IN, CURL_POLL_OUT or both.
    void watch(curl_socket_t socket, int wanted)
    {
        auto found = entries_.find(socket);
        if (found == entries_.end()) // an entry is made first: what cannot be watched leaves none
            found =
                entries_.emplace(socket, std::make_shared<watched>(strand_, socket, ready_)).first;
        found->second->wanted = wanted;
        found->second->wait();
    }

    void forget(curl_socket_t socket)
    {
        const auto found = entries_.find(socket);
        if (found == entries_.end())
            return;
        found->second->stop();
        entries_.erase(found);
    }

    void forget_all()
    {
        for (const auto& [socket, entry] : entries_)
            entry->stop();
        entries_.clear();
    }

private:
    struct watched : std::enable_shared_from_this<watched> {
        watched(const asio::any_io_executor& strand, curl_socket_t fd, std::weak_ptr<ready> then)
            : socket{fd}, descriptor{strand, fd}, on_ready{std::move(then)}
        {
        }

        void wait()
        {
            if ((wanted & CURL_POLL_IN) != 0 && !reading)
                wait_for(asio::posix::stream_descriptor::wait_read, reading, CURL_CSELECT_IN);
            if ((wanted & CURL_POLL_OUT) != 0 && !writing)
                wait_for(asio::posix::stream_descriptor::wait_write, writing, CURL_CSELECT_OUT);
        }

        void wait_for(asio::posix::stream_descriptor::wait_type type, bool& pending, int flag)
        {
            pending = true;
            descriptor.async_wait(
                type, [self = this->shared_from_this(), &pending, flag](std::error_code failed) {
                    pending = false;
                    if (!self->live || failed == asio::error::operation_aborted)
                        return;
                    // What libcurl has stopped waiting for meanwhile it must not be told.
                    const int wanted_flag = flag == CURL_CSELECT_IN ? CURL_POLL_IN : CURL_POLL_OUT;
                    if ((self->wanted & wanted_flag) == 0)
                        return;
                    if (const auto then = self->on_ready.lock())
                        (*then)(self->socket, failed ? CURL_CSELECT_ERR : flag);
                    if (self->live)
                        self->wait();
                });
        }

        void stop()
        {
            live = false;
            descriptor.release();
        }

        curl_socket_t socket;
        asio::posix::stream_descriptor descriptor;
        std::weak_ptr<ready> on_ready;
        int wanted = CURL_POLL_NONE;
        bool reading = false;
        bool writing = false;
        bool live = true;
    };

    asio::any_io_executor strand_;
    std::shared_ptr<ready> ready_;
    std::unordered_map<curl_socket_t, std::shared_ptr<watched>> entries_;
};

} // namespace headgate::detail

#endif
