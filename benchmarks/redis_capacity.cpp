// What one Redis carries of the shared limiter's script, by the real clock: as many calls as it can
// take, 64 of them on their way at any time through the library's client, beside commands that do
// next to nothing. Needs a Redis of its own, whose content it deletes.
#include <headgate/limit.hpp>
#include <headgate/redis/client.hpp>
#include <headgate/redis/detail/lease_request.hpp>
#include <headgate/redis/detail/limit_script.hpp>
#include <headgate/redis/script.hpp>

#include <CLI/CLI.hpp>
#include <asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using headgate::error_code;
using headgate::limit;
using headgate::detail::lease_answer;
using headgate::detail::lease_request;
namespace redis = headgate::redis;
using clock_type = std::chrono::steady_clock;

namespace {

constexpr int in_flight = 64;

struct plan {
    std::string name;
    std::vector<limit> limits; ///< none: PING
    std::size_t clients = 1;   ///< whose state there is, and who ask in turn
    std::size_t units = 1;     ///< asked for at once
};

/// Asks as fast as there are answers.
class load {
public:
    load(asio::io_context& context, redis::client& where, const plan& what,
         clock_type::duration span)
        : context_{context},
          where_{where},
          plan_{what},
          text_{headgate::detail::to_text(what.limits)},
          clients_(what.clients),
          until_{clock_type::now() + span}
    {
        windows_ = static_cast<std::size_t>(std::count(text_.begin(), text_.end(), 'w'));
    }

    void run()
    {
        for (int i = 0; i < in_flight; ++i)
            ask();
        context_.restart();
        context_.run();
        if (!failed_.empty())
            throw std::runtime_error{plan_.name + ": " + failed_};
    }

    std::uint64_t calls = 0;
    std::uint64_t granted = 0;
    std::vector<double> took_us;

private:
    struct client {
        std::string epoch;
        std::chrono::nanoseconds known_at{0};
        std::vector<lease_request::move> moves;
    };

    void ask()
    {
        const auto sent = clock_type::now();
        if (sent >= until_ || !failed_.empty())
            return;
        if (plan_.limits.empty()) {
            where_.async_command({"PING"}, [this, sent](error_code failed, const redis::reply&) {
                note(failed, "", sent);
                ask();
            });
            return;
        }
        const std::size_t who = next_++ % clients_.size();
        client& it = clients_[who];
        lease_request what;
        what.known = it.epoch;
        what.known_at = it.known_at;
        what.limits = text_;
        what.units = plan_.units;
        what.horizon = 100ms;
        what.lease = 100ms;
        what.credit = 5ms;
        what.ttl = 10s;
        what.moves = std::exchange(it.moves, {});
        const auto now = sent.time_since_epoch();
        auto arguments = [what = std::move(what), who, now](const redis::server_info& to) {
            return what.arguments(to.run_id, to.started_by(), "client" + std::to_string(who), now);
        };
        where_.async_eval_for(
            10s, script(), {"{load}:limit", "{load}:turns", "{load}:places"}, std::move(arguments),
            [this, who, sent](error_code failed, const redis::reply& reply) {
                note(failed, reply.text(), sent);
                if (const auto answer = failed ? std::nullopt : lease_answer::read(reply, windows_))
                    learn(clients_[who], *answer, sent.time_since_epoch());
                ask();
            });
    }

    static const redis::script& script()
    {
        static const redis::script one{headgate::detail::redis_limit_text()};
        return one;
    }

    void note(error_code failed, const std::string& text, clock_type::time_point sent)
    {
        if (failed)
            failed_ = failed.message() + ' ' + text;
        ++calls;
        took_us.push_back(
            std::chrono::duration<double, std::micro>(clock_type::now() - sent).count());
    }

    /// What was leased is used when it can be; for a window that is told with the next question.
    void learn(client& it, const lease_answer& answer, std::chrono::nanoseconds sent)
    {
        it.epoch = answer.epoch;
        it.known_at = sent;
        for (const lease_answer::group& each : answer.groups) {
            granted += each.units;
            if (windows_ == 0)
                continue;
            const auto period = std::chrono::duration_cast<std::chrono::microseconds>(
                plan_.limits.front().period());
            it.moves.push_back({answer.epoch, 0, each.steps.front(),
                                each.from + period.count() + 1'000, each.units});
        }
    }

    asio::io_context& context_;
    redis::client& where_;
    const plan plan_;
    const std::string text_;
    std::size_t windows_ = 0;
    std::vector<client> clients_;
    std::size_t next_ = 0;
    const clock_type::time_point until_;
    std::string failed_;
};

redis::reply command(asio::io_context& context, redis::client& where,
                     std::vector<std::string> words)
{
    redis::reply result;
    error_code failed;
    where.async_command(std::move(words), [&](error_code code, redis::reply reply) {
        failed = code;
        result = std::move(reply);
    });
    context.restart();
    context.run();
    if (failed)
        throw std::runtime_error{"Redis: " + failed.message()};
    return result;
}

/// CPU time that Redis has taken so far.
double cpu_seconds(asio::io_context& context, redis::client& where)
{
    const std::string text = command(context, where, {"INFO", "cpu"}).text();
    const auto value = [&](const std::string& name) {
        const auto at = text.find("\n" + name + ":");
        return at == text.npos ? 0.0 : std::stod(text.substr(at + name.size() + 2));
    };
    return value("used_cpu_user") + value("used_cpu_sys");
}

/// In seconds.
int uptime(asio::io_context& context, redis::client& where)
{
    const std::string text = command(context, where, {"INFO", "server"}).text();
    const std::string name = "\nuptime_in_seconds:";
    const auto at = text.find(name);
    return at == text.npos ? 0 : std::stoi(text.substr(at + name.size()));
}

std::vector<plan> plans()
{
    std::vector<plan> result{{"PING", {}, 1, 0}};
    for (const std::size_t clients : {1U, 1'000U}) {
        result.push_back({"paced", {limit::paced(10'000, 1s)}, clients, 1});
        result.push_back({"paced, 100 at once", {limit::paced(1'000'000, 1s)}, clients, 100});
        result.push_back({"window of 100", {limit::window(100, 1s)}, clients, 1});
        result.push_back({"window of 100 in 20 ms", {limit::window(100, 20ms)}, clients, 1});
        result.push_back({"window of 10,000", {limit::window(10'000, 1s)}, clients, 1});
    }
    return result;
}

double quantile(std::vector<double>& values, double which)
{
    const auto at = values.begin() +
                    static_cast<std::ptrdiff_t>(which * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

} // namespace

int main(int argc, char* argv[])
{
    int port = 0;
    double span = 2;
    CLI::App app{"Calls of the shared limiter's script that one Redis carries"};
    app.add_option("--port", port, "of a Redis on this machine; what it holds is deleted")
        ->required();
    app.add_option("--seconds", span, "for each row");
    CLI11_PARSE(app, argc, argv);
    try {
        asio::io_context context;
        redis::client where{context,
                            redis::client_options{"redis://127.0.0.1:" + std::to_string(port)}};
        // One that has just been started lets nobody have anything for its first two seconds.
        while (uptime(context, where) < 4)
            std::this_thread::sleep_for(100ms);
        for (const plan& each : plans()) {
            command(context, where, {"FLUSHALL"});
            const auto length = std::chrono::duration_cast<clock_type::duration>(
                std::chrono::duration<double>(span));
            load{context, where, each, length / 4}.run(); // so that all is there
            const double cpu_before = cpu_seconds(context, where);
            const auto began = clock_type::now();
            load one{context, where, each, length};
            one.run();
            const double took = std::chrono::duration<double>(clock_type::now() - began).count();
            const double cpu = cpu_seconds(context, where) - cpu_before;
            nlohmann::ordered_json row;
            row["limit"] = each.name;
            row["clients"] = each.clients;
            row["units"] = each.units;
            row["calls_per_second"] = static_cast<double>(one.calls) / took;
            row["redis_us_per_call"] = cpu * 1e6 / static_cast<double>(one.calls);
            row["granted_per_second"] = static_cast<double>(one.granted) / took;
            row["p50_us"] = quantile(one.took_us, 0.5);
            row["p99_us"] = quantile(one.took_us, 0.99);
            std::cout << row.dump() << std::endl;
        }
    } catch (const std::exception& failed) {
        std::cerr << "redis_capacity: " << failed.what() << '\n';
        return 1;
    }
}
