#ifndef HEADGATE_TESTING_SIMULATED_API_HPP
#define HEADGATE_TESTING_SIMULATED_API_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/testing/server_limit.hpp>
#include <headgate/testing/virtual_clock.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(compose.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(io_context.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::testing {

/// How a `simulated_api` behaves. Setters can be chained.
class simulated_api_options {
public:
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;

    /// Of the random numbers; a run with the same seed is the same run.
    simulated_api_options& seed(std::uint64_t value) noexcept
    {
        seed_ = value;
        return *this;
    }
    /// What is set, or the default.
    std::uint64_t seed() const noexcept { return seed_; }

    /// One more limit; a request must be allowed by all.
    simulated_api_options& limit(server_limit one)
    {
        limits_.push_back(std::move(one));
        return *this;
    }
    /// All limits.
    const std::vector<server_limit>& limits() const noexcept { return limits_; }

    /// How long a request takes to the server, and as long again its answer back: anything between
    /// the two, each time.
    simulated_api_options& network(duration least, duration most)
    {
        network_ = range(least, most);
        return *this;
    }
    /// The least and the most.
    std::pair<duration, duration> network() const noexcept { return network_; }

    /// How long the server works on a request that it allows.
    simulated_api_options& service(duration least, duration most)
    {
        service_ = range(least, most);
        return *this;
    }
    /// The least and the most.
    std::pair<duration, duration> service() const noexcept { return service_; }

    /// The list: `count` records, in pages of at most `page` of them.
    simulated_api_options& records(std::uint64_t count, std::uint64_t page = 1) noexcept
    {
        records_ = count;
        page_ = std::max<std::uint64_t>(1, page);
        return *this;
    }
    /// What is set, or the default.
    std::uint64_t records() const noexcept { return records_; }
    /// The most records on a page.
    std::uint64_t page() const noexcept { return page_; }

    /// What a refusal carries in Retry-After; nothing unless set.
    simulated_api_options& retry_after(std::chrono::seconds wait) noexcept
    {
        retry_after_ = wait;
        return *this;
    }
    /// Empty unless set.
    std::optional<std::chrono::seconds> retry_after() const noexcept { return retry_after_; }

    /// A period of which the verdict says how many requests arrived in it at most.
    simulated_api_options& judge_by(duration period) noexcept
    {
        judge_by_ = period;
        return *this;
    }
    /// What is set, or the default.
    duration judge_by() const noexcept { return judge_by_; }

private:
    static std::pair<duration, duration> range(duration least, duration most)
    {
        if (least < duration::zero() || most < least)
            throw std::invalid_argument{"headgate::simulated_api_options: a time is negative, or "
                                        "the least is more than the most"};
        return {least, most};
    }

    std::uint64_t seed_ = 1;
    std::vector<server_limit> limits_;
    std::pair<duration, duration> network_{0, 0};
    std::pair<duration, duration> service_{0, 0};
    std::uint64_t records_ = 1000;
    std::uint64_t page_ = 1;
    std::optional<std::chrono::seconds> retry_after_;
    duration judge_by_ = std::chrono::seconds{60};
};

/// What an API has seen of its clients.
struct simulated_api_verdict {
    std::uint64_t arrivals = 0;          ///< requests that arrived
    std::uint64_t refused = 0;           ///< of those, the ones that were answered 429
    std::size_t most_in_window = 0;      ///< the most arrivals in any `judge_by`
    std::size_t peak_in_flight = 0;      ///< the most requests that the server worked on at once
    std::chrono::nanoseconds first{0};   ///< when the first arrived
    std::chrono::nanoseconds last{0};    ///< when the last arrived
    std::chrono::nanoseconds service{0}; ///< time the server worked on requests, all together

    /// The share that was used of `count` per `period`.
    double use(std::size_t count, std::chrono::nanoseconds period) const
    {
        const double periods =
            static_cast<double>((last - first).count()) / static_cast<double>(period.count());
        return static_cast<double>(arrivals - refused - 1) /
               (periods * static_cast<double>(count));
    }
};

/// A paginated API with limits, and the network to it, in memory and in virtual time.
///
/// It takes the place of `http::client` in `extract`, with a limiter on the same virtual clock:
/// @code
/// asio::io_context context;
/// simulated_api api{context, options};
/// basic_async_limiter<virtual_clock> limiter{context, limit::paced(5000, 1h)};
/// auto stream = extract(api, limiter, paging::offset{http::request{simulated_api::url}});
/// ...
/// virtual_clock::run(context);
/// @endcode
/// It answers `?offset=` and `?limit=` with `{"count": ..., "results": [{"id": ...}, ...]}`.
/// Copies are handles on the same API. For one thread, as virtual time is.
class simulated_api {
    using signature = void(error_code, http::response);

public:
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;
    /// The type of the executor that it works on.
    using executor_type = asio::any_io_executor;

    /// Where its list is.
    static constexpr const char* url = "http://api.test/list";

    /// An API on that executor.
    explicit simulated_api(const executor_type& executor, const simulated_api_options& options = {})
        : server_{std::make_shared<server>(executor, options)}
    {
    }
    /// As above, with the executor of an execution context.
    explicit simulated_api(asio::io_context& context, const simulated_api_options& options = {})
        : simulated_api{executor_type{context.get_executor()}, options}
    {
    }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return server_->executor; }

    /// As `http::client::share`.
    simulated_api share() const { return *this; }

    /// As `http::client::async_send`.
    template <class Token>
    auto async_send(http::request what, Token&& token)
    {
        return asio::async_compose<Token, signature>(exchange{server_, std::move(what)}, token,
                                                     server_->executor);
    }

    /// What it has seen so far.
    simulated_api_verdict verdict() const { return server_->verdict; }

    /// Other limits from now on; nothing counts that came before.
    void set_limits(std::vector<server_limit> limits) { server_->limits = std::move(limits); }

    /// Has `answer` look at each request first, when it arrives; what it returns is the answer.
    void intercept(
        std::function<std::optional<http::response>(const http::request&, duration now)> answer)
    {
        server_->intercept = std::move(answer);
    }

private:
    struct server {
        server(const executor_type& runs_on, const simulated_api_options& behaviour)
            : executor{runs_on},
              options{behaviour},
              limits{behaviour.limits()},
              random{behaviour.seed()}
        {
        }

        duration now() const { return virtual_clock::now() - started; }

        duration between(std::pair<duration, duration> range)
        {
            return duration{std::uniform_int_distribution<duration::rep>{
                range.first.count(), range.second.count()}(random)};
        }

        /// Whether a request that arrives now is allowed.
        bool arrive()
        {
            const duration at = now();
            bool allowed = true;
            for (server_limit& each : limits)
                allowed = each.allows(at) && allowed;
            for (server_limit& each : limits)
                each.count(at, allowed);
            if (verdict.arrivals++ == 0)
                verdict.first = at;
            verdict.last = at;
            verdict.refused += allowed ? 0 : 1;
            while (!recent.empty() && recent.front() + options.judge_by() <= at)
                recent.pop_front();
            recent.push_back(at);
            verdict.most_in_window = std::max(verdict.most_in_window, recent.size());
            if (allowed)
                verdict.peak_in_flight = std::max(verdict.peak_in_flight, ++in_flight);
            return allowed;
        }

        void leave()
        {
            --in_flight;
            for (server_limit& each : limits)
                each.answered();
        }

        http::response page(const http::request& what) const
        {
            const std::string asked = '&' + what.url().query();
            const std::uint64_t begin = number(asked, "offset").value_or(0);
            const std::uint64_t limit = number(asked, "limit").value_or(options.page());
            const std::uint64_t count = std::min(limit, options.page());
            const std::uint64_t end = std::min(options.records(), begin + count);
            std::string body = "{\"count\":" + std::to_string(options.records()) + ",\"results\":[";
            for (std::uint64_t id = begin; id < end; ++id)
                body.append(id == begin ? "" : ",").append("{\"id\":").append(std::to_string(id)) +=
                    '}';
            body += "]}";
            return http::response{200, {}, std::move(body)};
        }

        http::response refusal() const
        {
            http::response::fields headers;
            if (options.retry_after())
                headers.emplace_back("Retry-After", std::to_string(options.retry_after()->count()));
            return http::response{429, std::move(headers), {}};
        }

        static std::optional<std::uint64_t> number(const std::string& query, std::string name)
        {
            name = '&' + std::move(name) + '=';
            const auto found = query.find(name);
            if (found == query.npos)
                return std::nullopt;
            return std::strtoull(query.c_str() + found + name.size(), nullptr, 10);
        }

        executor_type executor;
        simulated_api_options options;
        std::vector<server_limit> limits;
        std::mt19937_64 random;
        const virtual_clock::time_point started = virtual_clock::now();
        simulated_api_verdict verdict;
        std::deque<duration> recent;
        std::size_t in_flight = 0;
        std::function<std::optional<http::response>(const http::request&, duration)> intercept;
    };

    /// One request: on its way, at work, on its way back.
    class exchange {
    public:
        exchange(std::shared_ptr<server> with, http::request what)
            : server_{std::move(with)},
              request_{std::move(what)},
              timer_{std::make_unique<virtual_timer>(server_->executor)}
        {
        }

        template <class Self>
        void operator()(Self& self, error_code failed = {})
        {
            switch (step_) {
            case step::leave:
                return wait(self, step::arrive, server_->between(server_->options.network()));
            case step::arrive:
                if (failed)
                    return self.complete(failed, http::response{});
                if (server_->intercept)
                    answer_ = server_->intercept(request_, server_->now());
                if (!answer_ && server_->arrive()) {
                    works_ = true;
                    const duration work = server_->between(server_->options.service());
                    server_->verdict.service += work;
                    return wait(self, step::answer, work);
                }
                if (!answer_)
                    answer_ = server_->refusal();
                [[fallthrough]];
            case step::answer:
                if (works_)
                    server_->leave();
                if (failed)
                    return self.complete(failed, http::response{});
                if (!answer_)
                    answer_ = server_->page(request_);
                return wait(self, step::end, server_->between(server_->options.network()));
            case step::end:
                return self.complete(failed, failed ? http::response{} : std::move(*answer_));
            }
        }

    private:
        enum class step { leave, arrive, answer, end };

        template <class Self>
        void wait(Self& self, step next, duration span)
        {
            step_ = next;
            timer_->expires_after(span);
            timer_->async_wait(std::move(self));
        }

        std::shared_ptr<server> server_;
        http::request request_;
        std::unique_ptr<virtual_timer> timer_;
        std::optional<http::response> answer_;
        step step_ = step::leave;
        bool works_ = false;
    };

    std::shared_ptr<server> server_;
};

} // namespace HEADGATE_NAMESPACE::testing

#endif
