#ifndef HEADGATE_DETAIL_CURL_ENGINE_HPP
#define HEADGATE_DETAIL_CURL_ENGINE_HPP

#include <headgate/detail/curl_handle.hpp>
#include <headgate/detail/curl_transfer.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/socket_watcher.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace headgate {

namespace http {

/// What a client does and has done.
struct client_statistics {
    std::uint64_t requests = 0;     ///< requests that were handed to libcurl
    std::uint64_t connections = 0;  ///< connections that were made for them
    std::uint64_t bytes = 0;        ///< bytes of bodies received, decompressed
    std::size_t in_flight = 0;      ///< requests that wait for their answer now
    std::size_t peak_in_flight = 0; ///< the most of them there ever were
};

} // namespace http

namespace detail {

class request_waiter : public waiter<std::error_code, http::response> {
public:
    enum class stage { queued, begun, cancelled };

    explicit request_waiter(http::request&& what) : request{std::move(what)} {}

    http::request request;
    std::uint64_t id = 0;
    /// Moves on from `queued` once: to whichever comes first, the strand or the cancellation.
    std::atomic<stage> at{stage::queued};
    std::unique_ptr<curl_transfer> transfer;

protected:
    ~request_waiter() = default;
};

/// libcurl's multi interface in an Asio loop: libcurl says which sockets and which time to wait
/// for, Asio waits. Every call into libcurl is made on one strand and none from within a callback.
class curl_engine final : public shutdown_target {
public:
    using executor_type = asio::any_io_executor;

    static std::shared_ptr<curl_engine> create(const executor_type& executor,
                                               const http::client_options& options)
    {
        curl_init();
        auto engine = std::make_shared<curl_engine>(executor, options);
        engine->watcher_.emplace(
            *engine->strand_,
            [self = std::weak_ptr<curl_engine>{engine->self()}](curl_socket_t socket, int events) {
                if (const auto alive = self.lock())
                    alive->on_ready(socket, events);
            });
        engine->join(executor);
        return engine;
    }

    curl_engine(const executor_type& executor, const http::client_options& options)
        : executor_{executor},
          options_{options},
          strand_{asio::make_strand(executor)},
          timer_{std::in_place, *strand_}
    {
        open();
    }

    executor_type get_executor() const noexcept { return executor_; }

    void start(request_waiter& op)
    {
        op.id = ++last_id_;
        asio::post(*strand_, starting{self(), &op});
    }

    /// A request that has not been handed to libcurl yet has no effects and need have none. Later
    /// nobody can say whether the server has seen it, so that a mere total cancellation, which is
    /// for operations that then have had no effect, comes too late.
    void cancel(request_waiter& op, asio::cancellation_type type)
    {
        auto expected = request_waiter::stage::queued;
        if (op.at.compare_exchange_strong(expected, request_waiter::stage::cancelled) ||
            type == asio::cancellation_type::total)
            return;
        asio::post(*strand_, [self = self(), id = op.id] { self->cancel(id); });
    }

    /// The owner goes away: whoever waits is told so.
    void close()
    {
        if (!context_gone())
            asio::post(*strand_, [self = self()] { self->end(); });
    }

    http::client_statistics statistics() const
    {
        std::lock_guard lock{statistics_mutex_};
        return statistics_;
    }

    void on_context_shutdown() noexcept override
    {
        decided_waiters<request_waiter> abandoned = remove_all({}, {});
        shut();
        watcher_.reset();
        timer_.reset();
        strand_.reset();
        abandoned.destroy();
    }

private:
    using clock = std::chrono::steady_clock;

    struct multi_deleter {
        void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
    };

    /// An operation on its way to the strand.
    class starting {
    public:
        starting(std::shared_ptr<curl_engine> engine, request_waiter* op) noexcept
            : engine_{std::move(engine)}, op_{op}
        {
        }

        void operator()() { engine_->begin(*op_.release()); }

    private:
        struct destroyer {
            void operator()(request_waiter* op) const noexcept { op->destroy(); }
        };

        std::shared_ptr<curl_engine> engine_;
        std::unique_ptr<request_waiter, destroyer> op_;
    };

    std::shared_ptr<curl_engine> self()
    {
        return std::static_pointer_cast<curl_engine>(shared_from_this());
    }

    void open()
    {
        multi_.reset(curl_multi_init());
        if (!multi_)
            throw std::bad_alloc{};
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &on_socket);
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &on_timeout);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(
            multi_.get(), CURLMOPT_MAXCONNECTS,
            static_cast<long>(std::max<std::size_t>(1, options_.max_idle_connections())));
    }

    void begin(request_waiter& op)
    {
        auto expected = request_waiter::stage::queued;
        if (!op.at.compare_exchange_strong(expected, request_waiter::stage::begun) || !multi_) {
            op.decide(asio::error::operation_aborted,
                      http::response{}.error_text(curl_transfer::name(op.request) + ": cancelled"));
            op.complete();
            return;
        }
        try {
            op.transfer = take_idle();
            op.transfer->prepare(std::move(op.request));
            CURL* const easy = op.transfer->handle();
            curl_easy_setopt(easy, CURLOPT_PRIVATE, &op);
            curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &on_close);
            curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
            active_.emplace(op.id, &op);
        } catch (const std::exception& e) {
            op.decide(http::error::failed, http::response{}.error_text(e.what()));
            op.complete();
            return;
        }
        {
            std::lock_guard lock{statistics_mutex_};
            ++statistics_.requests;
            statistics_.peak_in_flight =
                std::max(statistics_.peak_in_flight, ++statistics_.in_flight);
        }
        check(curl_multi_add_handle(multi_.get(), op.transfer->handle()));
        go_on();
    }

    void cancel(std::uint64_t id)
    {
        const auto found = active_.find(id);
        if (found == active_.end())
            return;
        request_waiter& op = *found->second;
        auto transfer = remove(op);
        op.decide(asio::error::operation_aborted,
                  http::response{}.error_text(transfer->name() + ": cancelled"));
        put_idle(std::move(transfer));
        op.complete();
        go_on();
    }

    void end()
    {
        decided_waiters<request_waiter> aborted =
            remove_all(asio::error::operation_aborted, "the client was destroyed");
        shut();
        aborted.complete();
    }

    /// Takes all operations out of libcurl with one result.
    decided_waiters<request_waiter> remove_all(std::error_code reason, const std::string& text)
    {
        decided_waiters<request_waiter> removed;
        while (!active_.empty()) {
            request_waiter& op = *active_.begin()->second;
            remove(op);
            removed.add(op, reason, http::response{}.error_text(text));
        }
        return removed;
    }

    std::unique_ptr<curl_transfer> remove(request_waiter& op)
    {
        curl_multi_remove_handle(multi_.get(), op.transfer->handle());
        active_.erase(op.id);
        std::lock_guard lock{statistics_mutex_};
        --statistics_.in_flight;
        return std::move(op.transfer);
    }

    /// Closes all connections. Nothing can be sent any more.
    void shut() noexcept
    {
        idle_.clear();
        multi_.reset();
        if (watcher_)
            watcher_->forget_all();
        deadline_.reset();
        armed_until_.reset();
        if (timer_)
            timer_->cancel();
    }

    void on_ready(curl_socket_t socket, int events)
    {
        if (!multi_)
            return;
        int running = 0;
        check(curl_multi_socket_action(multi_.get(), socket, events, &running));
        go_on();
    }

    void on_timer()
    {
        armed_until_.reset();
        if (multi_)
            go_on();
    }

    /// To be called after every call into libcurl: gives it its time, hands out what is done,
    /// waits.
    void go_on()
    {
        decided_waiters<request_waiter> done;
        for (int turns = 0; deadline_ && *deadline_ <= clock::now() && turns < 16; ++turns) {
            deadline_.reset();
            int running = 0;
            check(curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running));
        }
        drain(done);
        arm();
        done.complete();
    }

    void drain(decided_waiters<request_waiter>& done)
    {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
            if (message->msg != CURLMSG_DONE)
                continue;
            CURL* const easy = message->easy_handle;
            const CURLcode result = message->data.result;
            request_waiter* op = nullptr;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &op);
            std::error_code failed;
            http::response response = op->transfer->take(result, failed);
            long connections = 0;
            curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
            put_idle(remove(*op));
            {
                std::lock_guard lock{statistics_mutex_};
                statistics_.connections += static_cast<std::uint64_t>(connections);
                statistics_.bytes += response.body().size();
            }
            done.add(*op, failed, std::move(response));
        }
    }

    /// Waits for libcurl's next deadline. A timer that fires too early costs less than setting it
    /// anew each time libcurl changes its mind, so it is only ever set to an earlier time. While
    /// nothing is in flight nothing is waited for, so that the loop can end.
    void arm()
    {
        if (active_.empty() || !deadline_) {
            if (active_.empty() && armed_until_) {
                armed_until_.reset();
                timer_->cancel();
            }
            return;
        }
        if (armed_until_ && *armed_until_ <= *deadline_)
            return;
        armed_until_ = deadline_;
        timer_->expires_at(*deadline_);
        timer_->async_wait([self = std::weak_ptr<curl_engine>{self()}](std::error_code failed) {
            if (failed)
                return;
            if (const auto alive = self.lock())
                alive->on_timer();
        });
    }

    /// A multi handle that has failed is of no use any more: all its requests fail with it, and the
    /// next ones get a new one.
    void check(CURLMcode result)
    {
        if (result == CURLM_OK)
            return;
        decided_waiters<request_waiter> failed =
            remove_all(http::error::failed, curl_multi_strerror(result));
        shut();
        open();
        failed.complete();
    }

    std::unique_ptr<curl_transfer> take_idle()
    {
        if (idle_.empty())
            return std::make_unique<curl_transfer>(options_);
        auto transfer = std::move(idle_.back());
        idle_.pop_back();
        return transfer;
    }

    void put_idle(std::unique_ptr<curl_transfer> transfer)
    {
        if (idle_.size() < options_.max_idle_connections())
            idle_.push_back(std::move(transfer));
    }

    static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) noexcept
    {
        auto& engine = *static_cast<curl_engine*>(self);
        if (!engine.watcher_)
            return 0;
        try {
            if (what == CURL_POLL_REMOVE)
                engine.watcher_->forget(socket);
            else
                engine.watcher_->watch(socket, what);
            return 0;
        } catch (...) {
            return -1;
        }
    }

    static int on_timeout(CURLM*, long milliseconds, void* self) noexcept
    {
        auto& deadline = static_cast<curl_engine*>(self)->deadline_;
        if (milliseconds < 0)
            deadline.reset();
        else
            deadline = clock::now() + std::chrono::milliseconds{milliseconds};
        return 0;
    }

    static int on_close(void* self, curl_socket_t socket) noexcept
    {
        auto& engine = *static_cast<curl_engine*>(self);
        if (engine.watcher_)
            engine.watcher_->forget(socket);
        return ::close(socket);
    }

    const executor_type executor_;
    const http::client_options options_;
    std::optional<asio::strand<asio::any_io_executor>> strand_;
    std::optional<asio::steady_timer> timer_;
    std::optional<socket_watcher> watcher_;
    std::optional<clock::time_point> deadline_; // set by callbacks while multi_ is cleaned up, too
    std::unique_ptr<CURLM, multi_deleter> multi_;
    std::unordered_map<std::uint64_t, request_waiter*> active_;
    std::vector<std::unique_ptr<curl_transfer>> idle_;
    std::optional<clock::time_point> armed_until_;
    std::atomic<std::uint64_t> last_id_{0};
    mutable std::mutex statistics_mutex_;
    http::client_statistics statistics_;
};

} // namespace detail
} // namespace headgate

#endif
