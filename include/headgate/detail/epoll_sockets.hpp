#ifndef HEADGATE_DETAIL_EPOLL_SOCKETS_HPP
#define HEADGATE_DETAIL_EPOLL_SOCKETS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/socket_user.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(post.hpp)
#include HEADGATE_ASIO_POSIX(stream_descriptor.hpp)

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// A socket_watcher with one epoll set of its own, for which Asio waits as for a single descriptor:
/// a wake-up finds all sockets that are ready, and a connection that is used again and again costs
/// no system call to be watched, since it stays in the set in between.
///
/// The set is level-triggered: what libcurl leaves unread comes again. A socket that is ready
/// though nobody wants it (the server has closed an idle connection) is taken out of the set at
/// once and put in again when it is wanted.
class epoll_sockets {
public:
    epoll_sockets(const asio::any_io_executor& strand, std::weak_ptr<socket_user> user)
        : core_{std::make_shared<core>(strand, std::move(user))}
    {
    }

    void watch(curl_socket_t socket, int wanted) { core_->watch(socket, wanted); }
    void forget(curl_socket_t socket) { core_->forget(socket); }
    void opened(curl_socket_t socket) { core_->opened(socket); }
    void closed(curl_socket_t socket) { core_->drop(socket); }
    void settle() { core_->settle(); }
    void forget_all() { core_->forget_all(); }

private:
    struct entry {
        int wanted = CURL_POLL_NONE;
        int registered = CURL_POLL_NONE; ///< what the set has been told
        std::uint32_t registration = 0;  ///< which of those of this number; a number comes again
        bool connection = false;         ///< `closed` will be called before it is closed
    };

    class core : public std::enable_shared_from_this<core> {
    public:
        core(const asio::any_io_executor& strand, std::weak_ptr<socket_user> user)
            : set_{strand}, user_{std::move(user)}
        {
            const int set = ::epoll_create1(EPOLL_CLOEXEC);
            if (set < 0)
                throw system_error{errno, asio::error::get_system_category(), "epoll_create1"};
            error_code failed;
            set_.assign(set, failed);
            if (failed) {
                ::close(set);
                throw system_error{failed, "epoll set"};
            }
        }

        void watch(curl_socket_t socket, int wanted)
        {
            const auto [at, added] = entries_.try_emplace(socket);
            try {
                if (at->second.registered != wanted)
                    enter(socket, at->second, wanted);
            } catch (...) {
                if (added)
                    entries_.erase(at);
                throw;
            }
            want(at->second, wanted);
        }

        /// A connection that was read from stays in the set: it will be read from again. Others may
        /// be closed without a word and their numbers given to others; among them, in libcurl 7.88,
        /// sockets that have not become a connection yet, which are waited for until they can be
        /// written to.
        void forget(curl_socket_t socket)
        {
            const auto at = entries_.find(socket);
            if (at == entries_.end())
                return;
            want(at->second, CURL_POLL_NONE);
            if (!at->second.connection || at->second.registered != CURL_POLL_IN)
                drop(socket);
        }

        /// If a socket of the same number was closed without a word, the set has lost it with that,
        /// and libcurl takes the new one for it if it was watched.
        void opened(curl_socket_t socket)
        {
            entry& made = entries_[socket];
            made.connection = true;
            made.registered = CURL_POLL_NONE;
            if (made.wanted != CURL_POLL_NONE)
                enter(socket, made, made.wanted);
        }

        void drop(curl_socket_t socket)
        {
            const auto at = entries_.find(socket);
            if (at == entries_.end())
                return;
            want(at->second, CURL_POLL_NONE);
            // Closing it would do only if no other process has inherited it.
            take_out(socket, at->second);
            entries_.erase(at);
        }

        void forget_all()
        {
            for (auto& [socket, each] : entries_)
                take_out(socket, each);
            entries_.clear();
            wanted_ = 0;
            settle();
        }

        void settle()
        {
            if (wanted_ == 0) {
                if (waiting_)
                    set_.cancel();
                return;
            }
            if (std::exchange(waiting_, true))
                return;
            set_.async_wait(asio::posix::stream_descriptor::wait_read,
                            [self = this->weak_from_this()](error_code failed) {
                                if (const auto alive = self.lock())
                                    alive->on_wait(failed);
                            });
        }

    private:
        void want(entry& which, int wanted) noexcept
        {
            wanted_ -= which.wanted != CURL_POLL_NONE;
            wanted_ += wanted != CURL_POLL_NONE;
            which.wanted = wanted;
        }

        void enter(curl_socket_t socket, entry& which, int wanted)
        {
            epoll_event event{};
            event.events = ((wanted & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) |
                           ((wanted & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
            const std::uint32_t registration = ++last_registration_;
            event.data.u64 = std::uint64_t{registration} << 32 | static_cast<std::uint32_t>(socket);
            // What the set has may differ from what it was told, if the number came again unseen.
            const bool known = which.registered != CURL_POLL_NONE;
            if (::epoll_ctl(set_.native_handle(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket,
                            &event) != 0 &&
                (errno != (known ? ENOENT : EEXIST) ||
                 ::epoll_ctl(set_.native_handle(), known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket,
                             &event) != 0))
                throw system_error{errno, asio::error::get_system_category(), "epoll_ctl"};
            which.registered = wanted;
            which.registration = registration;
        }

        void take_out(curl_socket_t socket, entry& which) noexcept
        {
            if (std::exchange(which.registered, CURL_POLL_NONE) != CURL_POLL_NONE)
                ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
        }

        void on_wait(error_code failed)
        {
            waiting_ = false;
            const auto user = user_.lock();
            if (!user)
                return;
            if (failed) // cancelled, but there may be somebody to wait for again
                return settle();
            // If more are ready than that, the set stays ready and the others' turn comes first.
            const int count = ::epoll_wait(set_.native_handle(), ready_.data(),
                                           static_cast<int>(ready_.size()), 0);
            told_ = 0;
            ready_count_ = static_cast<std::size_t>(std::max(count, 0));
            tell_some(*user);
        }

        /// Tells until the user has enough, and of the others after whatever that leads to.
        void tell_some(socket_user& user)
        {
            bool more = true;
            while (more && told_ < ready_count_)
                more = tell(user, ready_[told_++]);
            waiting_ = told_ < ready_count_;
            if (waiting_)
                asio::post(set_.get_executor(), [self = this->weak_from_this()] {
                    const auto alive = self.lock();
                    if (const auto who = alive ? alive->user_.lock() : nullptr)
                        alive->tell_some(*who);
                });
            user.on_pause();
        }

        /// Telling of one socket may change all the others.
        bool tell(socket_user& user, const epoll_event& event)
        {
            const auto socket = static_cast<curl_socket_t>(event.data.u64 & 0xffff'ffffU);
            const auto at = entries_.find(socket);
            if (at == entries_.end() || at->second.registration != event.data.u64 >> 32)
                return true;
            const int wanted = at->second.wanted;
            if (wanted == CURL_POLL_NONE) {
                take_out(socket, at->second);
                return true;
            }
            // An error is what reading or writing meets: libcurl finds out which it is.
            const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
            int events = 0;
            if ((wanted & CURL_POLL_IN) != 0 && (broken || (event.events & EPOLLIN) != 0))
                events |= CURL_CSELECT_IN;
            if ((wanted & CURL_POLL_OUT) != 0 && (broken || (event.events & EPOLLOUT) != 0))
                events |= CURL_CSELECT_OUT;
            return events == 0 || user.on_ready(socket, events);
        }

        asio::posix::stream_descriptor set_;
        std::weak_ptr<socket_user> user_;
        std::unordered_map<curl_socket_t, entry> entries_;
        std::size_t wanted_ = 0; ///< how many entries something is wanted of
        std::uint32_t last_registration_ = 0;
        bool waiting_ = false; ///< for Asio, or for the turn to tell of more
        std::array<epoll_event, 64> ready_{};
        std::size_t ready_count_ = 0;
        std::size_t told_ = 0; ///< how many of those that were ready
    };

    std::shared_ptr<core> core_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
