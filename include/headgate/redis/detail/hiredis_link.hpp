#ifndef HEADGATE_REDIS_DETAIL_HIREDIS_LINK_HPP
#define HEADGATE_REDIS_DETAIL_HIREDIS_LINK_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/hiredis.hpp>

#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO_POSIX(basic_stream_descriptor.hpp)
#include HEADGATE_ASIO_POSIX(descriptor_base.hpp)

#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// hiredis writes in a way that raises SIGPIPE where the other side is gone. While this lives the
/// thread does not get that signal.
class sigpipe_guard {
public:
    sigpipe_guard() noexcept
    {
        sigset_t pending;
        sigemptyset(&pending);
        sigpending(&pending);
        had_one_ = sigismember(&pending, SIGPIPE) == 1;
        pipe_ = only_sigpipe();
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    sigpipe_guard(const sigpipe_guard&) = delete;
    sigpipe_guard& operator=(const sigpipe_guard&) = delete;
    ~sigpipe_guard()
    {
        if (!had_one_) {
            const timespec none{};
            while (sigtimedwait(&pipe_, nullptr, &none) == -1 && errno == EINTR) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    static sigset_t only_sigpipe() noexcept
    {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        return set;
    }

    bool had_one_ = false;
    sigset_t pipe_;
    sigset_t before_;
};

/// One connection of hiredis' in the loop of Asio: what hiredis wants to read and write is waited
/// for, and `Owner` is told of it, which then calls `handle` under its lock.
///
/// The socket is hiredis': it is adopted while there is a context and released, not closed, before
/// hiredis closes it. `Owner` has:
/// - `link_ready(serial, direction, error_code)`, called by the executor, for `handle`;
/// - `link_replied(const redisReply*)`, called inside `handle` and `drop` in the order of the
///   commands; null if there will be no reply. It must neither throw nor call back.
template <class Executor, class Owner>
class hiredis_link {
    using descriptor = asio::posix::basic_stream_descriptor<Executor>;

public:
    enum class direction : std::size_t { read, write };

    /// Begins to connect to a numeric address; if there is none, to the socket in the file system.
    hiredis_link(const Executor& executor, const redis::client_options& options,
                 const std::string& address, std::uint64_t serial, Owner& owner)
        : owner_{owner}, serial_{serial}
    {
        redisAsyncContext* const context =
            address.empty() ? redisAsyncConnectUnix(options.unix_socket().c_str())
                            : redisAsyncConnect(address.c_str(), options.port());
        if (!context) {
            error_ = "out of memory";
            return;
        }
        error_ = context->c.err != 0 ? context->c.errstr : "";
        if (error_.empty() && options.tls())
            error_ = begin_redis_tls(*context, options);
        if (!error_.empty()) {
            redisAsyncFree(context);
            return;
        }
        context_ = context;
        context->data = this;
        try {
            descriptor_.emplace(executor, context->c.fd);
        } catch (...) {
            context_ = nullptr;
            redisAsyncFree(context);
            throw;
        }
        context->ev.data = this;
        context->ev.addRead = [](void* self) { of(self).want(direction::read, true); };
        context->ev.delRead = [](void* self) { of(self).want(direction::read, false); };
        context->ev.addWrite = [](void* self) { of(self).want(direction::write, true); };
        context->ev.delWrite = [](void* self) { of(self).want(direction::write, false); };
        context->ev.cleanup = [](void* self) { of(self).forget(); };
        redisAsyncSetConnectCallback(context, [](const redisAsyncContext* which, int status) {
            of(which->data).connected_ = status == REDIS_OK;
        });
    }
    hiredis_link(const hiredis_link&) = delete;
    hiredis_link& operator=(const hiredis_link&) = delete;
    ~hiredis_link() { drop(); }

    std::uint64_t serial() const noexcept { return serial_; }
    bool connected() const noexcept { return context_ && connected_; }
    bool alive() const noexcept { return context_ != nullptr; }
    /// Why it is not alive.
    const std::string& error() const noexcept { return error_; }

    /// Whether the other side has closed it while nobody was looking.
    bool is_closed_by_peer() const noexcept
    {
        char first = 0;
        const auto got = ::recv(context_->c.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
    }

    /// Puts a command behind those that are to be written.
    bool send(const std::vector<std::string>& arguments)
    {
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        texts.reserve(arguments.size());
        sizes.reserve(arguments.size());
        for (const std::string& each : arguments) {
            texts.push_back(each.data());
            sizes.push_back(each.size());
        }
        return redisAsyncCommandArgv(context_, replied, nullptr, static_cast<int>(texts.size()),
                                     texts.data(), sizes.data()) == REDIS_OK;
    }

    /// What `link_ready` was told.
    void handle(direction which, error_code failed)
    {
        state& mine = states_[static_cast<std::size_t>(which)];
        mine.waiting = false;
        if (!context_ || failed == asio::error::operation_aborted || !mine.wanted)
            return;
        const sigpipe_guard guard;
        if (which == direction::read)
            redisAsyncHandleRead(context_);
        else
            redisAsyncHandleWrite(context_);
    }

    /// Waits for what is wanted, but to read only if `listening`, so that an idle connection does
    /// not keep the loop running.
    void settle(bool listening)
    {
        if (!context_)
            return;
        const bool reads = wanted(direction::read) && listening;
        if (!reads && waiting(direction::read)) {
            error_code ignored; // the wait to write that ends with it is begun again by its handler
            descriptor_->cancel(ignored);
        }
        if (reads)
            wait(direction::read, descriptor::wait_read);
        if (wanted(direction::write))
            wait(direction::write, descriptor::wait_write);
    }

    /// Closes the connection; commands that have no reply are told so.
    void drop()
    {
        if (!context_)
            return;
        const sigpipe_guard guard;
        redisAsyncFree(context_); // calls forget
    }

private:
    struct state {
        bool wanted = false;
        bool waiting = false;
    };

    static hiredis_link& of(void* self) noexcept { return *static_cast<hiredis_link*>(self); }

    static void replied(redisAsyncContext* context, void* what, void*)
    {
        hiredis_link& self = of(context->data);
        if (!what && self.error_.empty())
            self.error_ = context->c.errstr;
        self.owner_.link_replied(static_cast<const redisReply*>(what));
    }

    void want(direction which, bool wants) noexcept
    {
        states_[static_cast<std::size_t>(which)].wanted = wants;
    }
    bool wanted(direction which) const noexcept
    {
        return states_[static_cast<std::size_t>(which)].wanted;
    }
    bool waiting(direction which) const noexcept
    {
        return states_[static_cast<std::size_t>(which)].waiting;
    }

    void wait(direction which, typename descriptor::wait_type type)
    {
        state& mine = states_[static_cast<std::size_t>(which)];
        if (mine.waiting)
            return;
        descriptor_->async_wait(
            type, [owner = owner_.weak(), serial = serial_, which](error_code failed) {
                if (const auto alive = owner.lock())
                    alive->link_ready(serial, which, failed);
            });
        mine.waiting = true;
    }

    /// hiredis is about to close the socket.
    void forget() noexcept
    {
        if (error_.empty() && context_->c.err != 0)
            error_ = context_->c.errstr;
        context_ = nullptr;
        descriptor_->release();
    }

    Owner& owner_;
    const std::uint64_t serial_;
    redisAsyncContext* context_ = nullptr;
    std::optional<descriptor> descriptor_;
    state states_[2];
    bool connected_ = false;
    std::string error_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
