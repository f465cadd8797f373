#ifndef HEADGATE_DETAIL_CURL_ENGINE_HPP
#define HEADGATE_DETAIL_CURL_ENGINE_HPP

#include <headgate/detail/any_strand.hpp>
#include <headgate/detail/client_sockets.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/curl_handle.hpp>
#include <headgate/detail/curl_timer.hpp>
#include <headgate/detail/curl_transfer.hpp>
#include <headgate/detail/idle_transfers.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/request_waiter.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/socket_user.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/client_statistics.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/response.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(cancellation_type.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(post.hpp)

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// libcurl's multi interface in an Asio loop: libcurl says which sockets and which time to wait
/// for, Asio waits. Every call into libcurl is made on one strand and none from within a callback.
///
/// The strand has its turns: requests that are to start, sockets that are ready, a time that has
/// come. Each turn takes all there is of these, and only then hands out what is done, waits for
/// what is not and tells the statistics, once for all.
class curl_engine final : public shutdown_target, public socket_user {
public:
    using executor_type = asio::any_io_executor;

    static std::shared_ptr<curl_engine> create(const executor_type& executor,
                                               const http::client_options& options)
    {
        curl_init();
        auto engine = std::make_shared<curl_engine>(executor, options);
        engine->sockets_.watcher.emplace(*engine->strand_, std::weak_ptr<socket_user>{engine});
        engine->join(executor);
        return engine;
    }

    curl_engine(const executor_type& executor, const http::client_options& options)
        : executor_{executor},
          options_{options},
          strand_{make_any_strand(executor)},
          timer_{std::in_place, *strand_}
    {
        open();
    }

    curl_engine(const curl_engine&) = delete;
    curl_engine& operator=(const curl_engine&) = delete;

    /// A context that is destroyed may destroy the last turn of an engine and with it the engine.
    ~curl_engine() { take_all().destroy(); }

    executor_type get_executor() const noexcept { return executor_; }
    std::size_t max_body_bytes() const noexcept { return options_.max_body_bytes(); }

    void start(request_waiter& op)
    {
        op.id = ++last_id_;
        try {
            std::lock_guard lock{starting_mutex_};
            request_turn();
            starting_.push_back(op);
        } catch (...) {
            op.destroy();
            throw;
        }
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
        return published_;
    }

    void on_context_shutdown() noexcept override
    {
        decided_waiters<request_waiter> abandoned = take_all();
        shut();
        sockets_.watcher.reset();
        timer_.reset();
        strand_.reset();
        abandoned.destroy();
    }

private:
    struct multi_deleter {
        void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
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
        limit_connections();
    }

    /// For libcurl that is how many connections there are, whether they are idle or not.
    void limit_connections() noexcept
    {
        const std::size_t most = options_.max_idle_connections() + statistics_.in_flight;
        curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                          static_cast<long>(std::max<std::size_t>(1, most)));
    }

    /// Asks for a turn of the strand, unless there will be one. With the lock of `starting_`.
    void request_turn()
    {
        if (turn_requested_)
            return;
        asio::post(*strand_, [self = self()] { self->turn(); });
        turn_requested_ = true;
    }

    void turn()
    {
        intrusive_list<request_waiter> starting = take_starting();
        while (!starting.empty())
            begin(starting.pop_front());
        if (active_.empty()) // the timer was left to whatever would start now
            timer_->stop();
        go_on();
    }

    intrusive_list<request_waiter> take_starting() noexcept
    {
        std::lock_guard lock{starting_mutex_};
        turn_requested_ = false;
        return std::move(starting_);
    }

    void begin(request_waiter& op)
    {
        auto expected = request_waiter::stage::queued;
        if (!op.at.compare_exchange_strong(expected, request_waiter::stage::begun) || !multi_) {
            done_.add(op, asio::error::operation_aborted,
                      http::response{}.error_text(curl_transfer::name(op.request) + ": cancelled"));
            return;
        }
        try {
            op.transfer = idle_.take();
            op.transfer->op = &op;
            op.transfer->prepare(std::move(op.request));
            active_.emplace(op.id, &op);
        } catch (const std::exception& e) {
            op.transfer.reset();
            done_.add(op, http::error::failed, http::response{}.error_text(e.what()));
            return;
        }
        ++statistics_.requests;
        statistics_.peak_in_flight = std::max(statistics_.peak_in_flight, ++statistics_.in_flight);
        limit_connections();
        check(curl_multi_add_handle(multi_.get(), op.transfer->handle()));
    }

    void cancel(std::uint64_t id)
    {
        const auto found = active_.find(id);
        if (found == active_.end())
            return;
        request_waiter& op = *found->second;
        auto transfer = remove(op);
        done_.add(op, asio::error::operation_aborted,
                  http::response{}.error_text(transfer->name() + ": cancelled"));
        idle_.put(std::move(transfer));
        go_on();
    }

    void end()
    {
        remove_all(asio::error::operation_aborted, "the client was destroyed");
        shut();
        go_on();
    }

    /// Takes all operations out of libcurl with one result.
    void remove_all(error_code reason, const std::string& text)
    {
        while (!active_.empty()) {
            request_waiter& op = *active_.begin()->second;
            remove(op);
            done_.add(op, reason, http::response{}.error_text(text));
        }
    }

    /// All operations there are.
    decided_waiters<request_waiter> take_all() noexcept
    {
        intrusive_list<request_waiter> starting = take_starting();
        done_.add_all(starting, error_code{}, http::response{});
        remove_all({}, {});
        return std::move(done_);
    }

    std::unique_ptr<waited_transfer> remove(request_waiter& op)
    {
        curl_multi_remove_handle(multi_.get(), op.transfer->handle());
        active_.erase(op.id);
        --statistics_.in_flight;
        limit_connections();
        return std::move(op.transfer);
    }

    /// Closes all connections. Nothing can be sent any more.
    void shut() noexcept
    {
        idle_.clear();
        sockets_.used.clear();
        multi_.reset();
        if (sockets_.watcher)
            sockets_.watcher->forget_all();
        if (timer_) {
            timer_->wanted_in(-1);
            timer_->stop();
        }
    }

    /// Bodies that are whole wait for the end of the turn. If they were all that are on their way,
    /// their memory would be taken from the system and given back each time.
    bool on_ready(curl_socket_t socket, int events) override
    {
        if (!multi_)
            return true;
        int running = 0;
        check(curl_multi_socket_action(multi_.get(), socket, events, &running));
        drain();
        return done_bytes_ < 32 * 1024;
    }

    void on_pause() override { go_on(); }

    /// To be called at the end of every turn: gives libcurl its time, hands out what is done,
    /// waits.
    void go_on()
    {
        if (multi_) {
            for (int turns = 0; turns < 16 && timer_->take_due(); ++turns) {
                int running = 0;
                check(curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running));
            }
            drain();
            if (!active_.empty())
                wait_for_time();
            sockets_.watcher->settle();
        }
        publish();
        done_bytes_ = 0;
        done_.complete();
        // While nothing is in flight nothing is waited for, so that the loop can end. But what is
        // done now often makes for the next request, so the timer is left to one more turn.
        if (active_.empty() && timer_->waiting()) {
            std::lock_guard lock{starting_mutex_};
            request_turn();
        }
    }

    void drain()
    {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
            if (message->msg != CURLMSG_DONE)
                continue;
            CURL* const easy = message->easy_handle;
            const CURLcode result = message->data.result;
            waited_transfer* transfer = nullptr;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
            if (transfer->wants_new_connection()) {
                curl_multi_remove_handle(multi_.get(), easy);
                check(curl_multi_add_handle(multi_.get(), easy));
                continue;
            }
            request_waiter& op = *transfer->op;
            error_code failed;
            http::response response = transfer->take(result, failed);
            long connections = 0;
            curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
            idle_.put(remove(op));
            statistics_.connections += static_cast<std::uint64_t>(connections);
            statistics_.bytes += response.body().size();
            done_bytes_ += response.body().size();
            done_.add(op, failed, std::move(response));
        }
    }

    void publish()
    {
        std::lock_guard lock{statistics_mutex_};
        published_ = statistics_;
    }

    void wait_for_time()
    {
        timer_->wait([self = std::weak_ptr<curl_engine>{self()}](error_code failed) {
            if (failed)
                return;
            if (const auto alive = self.lock()) {
                alive->timer_->waited();
                alive->go_on();
            }
        });
    }

    /// A multi handle that has failed is of no use any more: all its requests fail with it, and the
    /// next ones get a new one.
    void check(CURLMcode result)
    {
        if (result == CURLM_OK)
            return;
        remove_all(http::error::failed, curl_multi_strerror(result));
        shut();
        open();
    }

    static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) noexcept
    {
        auto& engine = *static_cast<curl_engine*>(self);
        if (!engine.sockets_.watcher)
            return 0;
        try {
            if (what == CURL_POLL_REMOVE)
                engine.sockets_.watcher->forget(socket);
            else
                engine.sockets_.watcher->watch(socket, what);
            return 0;
        } catch (...) {
            return -1;
        }
    }

    static int on_timeout(CURLM*, long milliseconds, void* self) noexcept
    {
        auto& engine = *static_cast<curl_engine*>(self);
        if (engine.timer_)
            engine.timer_->wanted_in(milliseconds);
        return 0;
    }

    const executor_type executor_;
    const http::client_options options_;
    std::optional<asio::any_io_executor> strand_;
    std::optional<curl_timer> timer_; // called while multi_ is cleaned up, like the next
    client_sockets sockets_;
    std::unique_ptr<CURLM, multi_deleter> multi_;
    std::unordered_map<std::uint64_t, request_waiter*> active_;
    idle_transfers idle_{options_, sockets_};
    decided_waiters<request_waiter> done_; // what this turn hands out at its end
    std::size_t done_bytes_ = 0;
    http::client_statistics statistics_;
    std::atomic<std::uint64_t> last_id_{0};
    std::mutex starting_mutex_;
    intrusive_list<request_waiter> starting_; // handed over, and not taken by a turn yet
    bool turn_requested_ = false;
    mutable std::mutex statistics_mutex_;
    http::client_statistics published_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
