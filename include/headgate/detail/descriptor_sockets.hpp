#ifndef HEADGATE_DETAIL_DESCRIPTOR_SOCKETS_HPP
#define HEADGATE_DETAIL_DESCRIPTOR_SOCKETS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/socket_user.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO_POSIX(stream_descriptor.hpp)

#include <curl/curl.h>

#include <memory>
#include <unordered_map>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// A socket_watcher with one Asio descriptor for each socket: a system call for each wait, but
/// nothing that Asio does not have everywhere.
///
/// The descriptors are libcurl's: they are adopted while it wants them watched and always released,
/// never closed, because libcurl may have given the number to another socket by then.
class descriptor_sockets {
public:
    descriptor_sockets(asio::any_io_executor strand, std::weak_ptr<socket_user> user)
        : strand_{std::move(strand)}, user_{std::move(user)}
    {
    }
    descriptor_sockets(const descriptor_sockets&) = delete;
    descriptor_sockets& operator=(const descriptor_sockets&) = delete;
    ~descriptor_sockets() { forget_all(); }

    void watch(curl_socket_t socket, int wanted)
    {
        auto found = entries_.find(socket);
        if (found == entries_.end()) // an entry is made first: what cannot be watched leaves none
            found =
                entries_.emplace(socket, std::make_shared<watched>(strand_, socket, user_)).first;
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

    /// A socket of the same number that is still watched was closed without a word, and libcurl
    /// takes the new one for it.
    void opened(curl_socket_t socket)
    {
        const auto found = entries_.find(socket);
        if (found == entries_.end())
            return;
        const int wanted = found->second->wanted;
        forget(socket);
        watch(socket, wanted);
    }

    void closed(curl_socket_t socket) { forget(socket); }

    void settle() {}

    void forget_all()
    {
        for (const auto& [socket, entry] : entries_)
            entry->stop();
        entries_.clear();
    }

private:
    struct watched : std::enable_shared_from_this<watched> {
        watched(const asio::any_io_executor& strand, curl_socket_t fd,
                std::weak_ptr<socket_user> who)
            : socket{fd}, descriptor{strand, fd}, user{std::move(who)}
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
                type, [self = this->shared_from_this(), &pending, flag](error_code failed) {
                    pending = false;
                    if (!self->live || failed == asio::error::operation_aborted)
                        return;
                    // What libcurl has stopped waiting for meanwhile it must not be told.
                    const int wanted_flag = flag == CURL_CSELECT_IN ? CURL_POLL_IN : CURL_POLL_OUT;
                    if ((self->wanted & wanted_flag) == 0)
                        return;
                    if (const auto alive = self->user.lock()) {
                        alive->on_ready(self->socket, failed ? CURL_CSELECT_ERR : flag);
                        alive->on_pause();
                    }
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
        std::weak_ptr<socket_user> user;
        int wanted = CURL_POLL_NONE;
        bool reading = false;
        bool writing = false;
        bool live = true;
    };

    asio::any_io_executor strand_;
    std::weak_ptr<socket_user> user_;
    std::unordered_map<curl_socket_t, std::shared_ptr<watched>> entries_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
