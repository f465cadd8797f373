#include <headgate/keyed_limiter.hpp>

#include "support/run.hpp"

#include <map>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::permit;
using headgate::testing::virtual_clock;
using support::noted;
using keyed = headgate::basic_keyed_limiter<std::string, virtual_clock>;

namespace {

std::vector<noted> ask(keyed& gate, const std::string& key, std::size_t times)
{
    std::vector<noted> asked(times);
    for (auto& each : asked)
        gate.async_acquire(key, 1, each);
    return asked;
}

} // namespace

TEST_CASE("keys do not hold each other up, and share what is shared")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::paced(1, 10s)}, {limit::window(3, 20s)}};
    auto slow = ask(gate, "slow", 3);
    auto other = ask(gate, "other", 2);
    virtual_clock::run_for(context, 0s);
    CHECK(slow[0].ok());
    CHECK(other[0].ok());
    virtual_clock::run(context);
    CHECK(slow[1].at() == 10);
    CHECK(other[1].at() == 20); // the window was full: slow came first
    CHECK(slow[2].at() == 20);
    CHECK(gate.statistics().granted == 5);
}

TEST_CASE("a paused key waits alone, a paused limiter as a whole")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::window(5, 1s)}};
    gate.pause_until("a", virtual_clock::now() + 3s);
    auto a = ask(gate, "a", 1);
    auto b = ask(gate, "b", 1);
    virtual_clock::run_for(context, 1s);
    CHECK(a[0].calls() == 0);
    CHECK(b[0].ok());
    gate.pause_until(virtual_clock::now() + 9s);
    auto c = ask(gate, "c", 2);
    CHECK_FALSE(gate.try_acquire("d"));
    virtual_clock::run(context);
    CHECK(a[0].at() == 10);
    CHECK(c[0].at() == 10);
}

TEST_CASE("a key that is in flight elsewhere does not stop the others")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::in_flight(1)}, {limit::in_flight(2)}};
    std::map<std::string, std::vector<permit>> held;
    const auto hold = [&](const std::string& key) {
        gate.async_acquire_permit(key, 1, [&held, key](headgate::error_code failed, permit got) {
            REQUIRE_FALSE(failed);
            held[key].push_back(std::move(got));
        });
    };
    hold("a");
    hold("a");
    hold("b");
    hold("c");
    virtual_clock::run_for(context, 1s);
    CHECK(held["a"].size() == 1);
    CHECK(held["b"].size() == 1);
    CHECK(held["c"].empty());
    held["b"].clear();
    virtual_clock::run_for(context, 1s);
    CHECK(held["c"].size() == 1);
    held["a"].erase(held["a"].begin());
    virtual_clock::run_for(context, 1s);
    CHECK(held["a"].size() == 1);
    noted plain;
    gate.async_acquire("a", 1, plain);
    virtual_clock::run_for(context, 0s);
    CHECK(plain.result() == headgate::error::needs_permit);
}

TEST_CASE("cancelling and closing leave nobody behind")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::paced(1, 10s)}};
    auto first = ask(gate, "a", 1);
    asio::cancellation_signal signal;
    noted cancelled;
    gate.async_acquire("a", 1, asio::bind_cancellation_slot(signal.slot(), cancelled));
    auto last = ask(gate, "a", 1);
    virtual_clock::run_for(context, 1s);
    signal.emit(asio::cancellation_type::total);
    virtual_clock::run_for(context, 10s);
    CHECK(cancelled.aborted());
    CHECK(last[0].at() == 10);
    auto waiting = ask(gate, "a", 2);
    CHECK(gate.statistics().waiting == 2);
    gate.close();
    virtual_clock::run(context);
    CHECK(waiting[1].result() == headgate::error::closed);
    CHECK_FALSE(gate.try_acquire("b"));
}

TEST_CASE("too much, nothing, and a limiter that goes first")
{
    virtual_clock::reset();
    asio::io_context context;
    std::optional<keyed> gate{std::in_place, context, std::vector{limit::window(5, 1s)},
                              std::vector{limit::window(3, 1s)}};
    noted much;
    noted none;
    gate->async_acquire("a", 4, much);
    gate->async_acquire("a", 0, none);
    virtual_clock::run_for(context, 0s);
    CHECK(much.result() == headgate::error::exceeds_limit);
    CHECK(none.ok());
    permit kept;
    gate->async_acquire_permit("a", 3,
                               [&](headgate::error_code, permit got) { kept = std::move(got); });
    virtual_clock::run_for(context, 0s);
    auto late = ask(*gate, "b", 1);
    gate.reset();
    virtual_clock::run(context);
    CHECK(late[0].aborted());
    kept.commit();
    kept = permit{};
}

TEST_CASE("keys that are not used are forgotten")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::window(2, 1s)}};
    for (int i = 0; i < 10'000; ++i) {
        CHECK(gate.try_acquire(std::to_string(i)));
        virtual_clock::advance(10ms);
    }
    CHECK(gate.size() < 400); // a hundred are in use at any time
}

TEST_CASE("whatever is asked, no key and not all together get more than they may")
{
    virtual_clock::reset();
    asio::io_context context;
    std::mt19937_64 random{7};
    keyed gate{context, {limit::window(5, 100ms)}, {limit::window(12, 100ms)}};
    std::map<std::string, std::vector<double>> granted;
    std::vector<double> all;
    for (int round = 0; round < 300; ++round) {
        for (auto n = random() % 10; n > 0; --n) {
            const std::string key(1, static_cast<char>('a' + random() % 5));
            gate.async_acquire(key, 1, [&, key](headgate::error_code failed) {
                REQUIRE_FALSE(failed);
                granted[key].push_back(support::seconds());
                all.push_back(support::seconds());
            });
        }
        virtual_clock::run_for(context, std::chrono::milliseconds{random() % 40});
    }
    virtual_clock::run(context);
    const auto judge = [](const std::vector<double>& times, std::size_t count) {
        for (std::size_t i = count; i < times.size(); ++i)
            REQUIRE(times[i] - times[i - count] > 0.0999999);
    };
    judge(all, 12);
    for (const auto& [key, times] : granted)
        judge(times, 5);
    CHECK(all.size() == gate.statistics().tokens);
    CHECK(all.size() > 1000);
}

TEST_CASE("a key's or the limiter's probe without a permit is over at once")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::window(10, 10s)}, {limit::window(10, 10s)}};
    gate.pause_until("a", virtual_clock::now() + 1s);
    virtual_clock::advance(2s);
    CHECK(gate.try_acquire("a"));
    auto a = ask(gate, "a", 1);
    virtual_clock::run(context);
    CHECK(a[0].at() == 3);
    gate.pause_until(virtual_clock::now() + 1s);
    virtual_clock::advance(2s);
    CHECK(gate.try_acquire("b"));
    auto c = ask(gate, "c", 1);
    virtual_clock::run_for(context, 1min);
    CHECK(c[0].at() == 6);
}

TEST_CASE("cancelling what a limiter has told at its end does nothing more")
{
    virtual_clock::reset();
    asio::io_context context;
    std::optional<keyed> gate{std::in_place, context, std::vector{limit::window(1, 1min)}};
    permit kept; // and with it what waits for the key
    gate->async_acquire_permit("a", 1,
                               [&](headgate::error_code, permit got) { kept = std::move(got); });
    virtual_clock::run_for(context, 0s);
    asio::cancellation_signal signal;
    noted waiting;
    gate->async_acquire("a", 1, asio::bind_cancellation_slot(signal.slot(), waiting));
    gate.reset();
    signal.emit(asio::cancellation_type::terminal);
    virtual_clock::run(context);
    CHECK(waiting.aborted());
}

TEST_CASE("keys that were paused are forgotten like others")
{
    virtual_clock::reset();
    asio::io_context context;
    keyed gate{context, {limit::window(2, 1s)}};
    for (int i = 0; i < 4'000; ++i) {
        const std::string key = std::to_string(i);
        gate.pause_until(key, virtual_clock::now() + 10ms);
        virtual_clock::advance(20ms);
        if (i % 2 == 0)
            CHECK(gate.try_acquire(key));
    }
    CHECK(gate.size() < 400);
}

TEST_CASE("a wrong credit is refused for keys, too")
{
    asio::io_context context;
    CHECK_THROWS_WITH((keyed{context, {limit::paced(1, 1s)}, {}, -1ns}),
                      Catch::Contains("keyed_limiter: credit"));
    CHECK_THROWS_AS((keyed{context, {limit::paced(1, 1s)}, {}, std::chrono::nanoseconds::max()}),
                    std::invalid_argument);
}
