#include <headgate/async_limiter.hpp>
#include <headgate/permit.hpp>

#include "support/run.hpp"

#include <deque>
#include <optional>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::permit;
using headgate::testing::virtual_clock;
using support::limiter;
using support::noted;

namespace {

/// A permit's handler that keeps what it got.
struct holder {
    noted end;
    std::shared_ptr<permit> held = std::make_shared<permit>();

    void operator()(std::error_code result, permit got) const
    {
        end(result);
        *held = std::move(got);
    }
};

std::vector<holder> ask(limiter& gate, std::size_t count, std::size_t tokens = 1)
{
    std::vector<holder> asked(count);
    for (auto& each : asked)
        gate.async_acquire_permit(tokens, each);
    return asked;
}

} // namespace

TEST_CASE("a permit that is dropped gives its tokens back, one that is committed does not")
{
    const auto kind = GENERATE(limit::kind::window, limit::kind::bucket);
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context,
                 kind == limit::kind::window ? limit::window(2, 10s) : limit::bucket(2, 10s, 2)};
    auto asked = ask(gate, 4);
    virtual_clock::run_for(context, 1s);
    REQUIRE(asked[1].end.ok());
    CHECK(asked[1].held->tokens() == 1);
    asked[0].held->commit();
    *asked[0].held = permit{};
    virtual_clock::run_for(context, 1s);
    CHECK(asked[2].end.calls() == 0);
    *asked[1].held = permit{};
    virtual_clock::run_for(context, 0s);
    CHECK(asked[2].end.ok());
    CHECK(asked[2].end.at() == 2);
    CHECK(asked[3].end.calls() == 0);
    asked[2].held->commit();
    virtual_clock::run(context);
    CHECK(asked[3].end.at() == (kind == limit::kind::window ? 10 : 5));
}

TEST_CASE("a cost that is known only afterwards is settled")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(10, 10s, 10)};
    auto cheap = ask(gate, 1, 6);
    virtual_clock::run_for(context, 0s);
    cheap[0].held->settle(2);
    *cheap[0].held = permit{};
    CHECK(gate.try_acquire(8));
    CHECK_FALSE(gate.try_acquire());
    virtual_clock::run_for(context, 10s);
    auto dear = ask(gate, 1, 5);
    virtual_clock::run_for(context, 0s);
    dear[0].held->settle(13);
    *dear[0].held = permit{};
    noted next;
    gate.async_acquire(1, next);
    virtual_clock::run(context);
    CHECK(next.at() == 14); // three owed and one for itself
}

TEST_CASE("what is in flight is limited, together with a rate")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, std::vector{limit::in_flight(2), limit::window(3, 10s)}};
    auto asked = ask(gate, 4);
    virtual_clock::run_for(context, 1s);
    CHECK(asked[1].end.at() == 0);
    CHECK(asked[2].end.calls() == 0);
    for (auto& each : asked)
        each.held->commit();
    *asked[0].held = permit{};
    virtual_clock::run_for(context, 1s);
    CHECK(asked[2].end.at() == 1);
    *asked[1].held = permit{};
    virtual_clock::run(context);
    CHECK(asked[3].end.at() == 10); // a place is free, the window is not

    noted plain;
    gate.async_acquire(plain);
    CHECK_FALSE(gate.try_acquire());
    virtual_clock::run(context);
    CHECK(plain.result() == headgate::error::needs_permit);
}

TEST_CASE("a permit may outlive its limiter, move and be cancelled for")
{
    virtual_clock::reset();
    asio::io_context context;
    std::optional<limiter> gate{std::in_place, context, limit::in_flight(1)};
    auto asked = ask(*gate, 1);
    asio::cancellation_signal signal;
    holder cancelled;
    gate->async_acquire_permit(1, asio::bind_cancellation_slot(signal.slot(), cancelled));
    virtual_clock::run_for(context, 1s);
    signal.emit(asio::cancellation_type::total);
    virtual_clock::run_for(context, 1s);
    CHECK(cancelled.end.aborted());
    CHECK_FALSE(*cancelled.held);
    permit moved{std::move(*asked[0].held)};
    CHECK(moved);
    CHECK_FALSE(*asked[0].held);
    auto next = ask(*gate, 1);
    moved = permit{};
    virtual_clock::run_for(context, 0s);
    CHECK(next[0].end.ok());
    gate.reset();
    *next[0].held = permit{};
}
