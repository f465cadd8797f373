#include <headgate/result_channel.hpp>

#include "support/run.hpp"

#include <asio/detached.hpp>

#include <memory>
#include <string>
#include <vector>

using support::noted;

namespace {

using channel = headgate::result_channel<std::string, int>;

void poll(asio::io_context& context)
{
    context.restart();
    context.poll();
}

} // namespace

TEST_CASE("a reserved place is room that is taken")
{
    asio::io_context context;
    channel results{context, 2};
    auto first = results.try_reserve();
    auto second = results.try_reserve();
    REQUIRE(first);
    REQUIRE(second);
    CHECK_FALSE(results.try_reserve());
    noted sent;
    results.async_send("third", sent);
    poll(context);
    CHECK(sent.calls() == 0);
    CHECK(first.send("first"));
    CHECK_FALSE(first); // used
    CHECK_FALSE(first.send("again"));
    poll(context);
    CHECK(sent.calls() == 0); // still full: one result and one place
    second = {};              // given back
    poll(context);
    CHECK(sent.ok());
    CHECK(results.try_receive() == "first");
    CHECK(results.try_receive() == "third");
}

TEST_CASE("the end and the outcome come after every result and every place")
{
    asio::io_context context;
    channel results{context, 3};
    auto used = results.try_reserve();
    auto dropped = results.try_reserve();
    std::vector<std::string> got;
    bool ended = false;
    auto receive = [&]() -> asio::awaitable<void> {
        while (auto result = co_await results.async_receive(asio::use_awaitable))
            got.push_back(*result);
        ended = true;
    };
    asio::co_spawn(context, receive, support::rethrow);
    CHECK_FALSE(results.outcome());
    results.close(42);
    results.close(43);
    poll(context);
    CHECK_FALSE(ended);
    noted refused;
    results.async_send("late", refused);
    CHECK(used.send("in its place"));
    poll(context);
    CHECK(refused.result() == headgate::error::closed);
    CHECK_FALSE(ended);
    {
        const auto gone = std::move(dropped);
    }
    poll(context);
    CHECK(ended);
    CHECK(got == std::vector<std::string>{"in its place"});
    CHECK(results.outcome() == 42);
}

TEST_CASE("a reservation that is cancelled or refused holds no room")
{
    asio::io_context context;
    channel results{context, 1};
    asio::cancellation_signal signal;
    headgate::error_code seen;
    bool had_place = true;
    const auto note = [&](headgate::error_code result, channel::place place) {
        seen = result;
        had_place = static_cast<bool>(place);
    };
    {
        auto only = results.try_reserve();
        results.async_reserve(asio::bind_cancellation_slot(signal.slot(), note));
        signal.emit(asio::cancellation_type::partial);
        poll(context);
        CHECK(seen == asio::error::operation_aborted);
        CHECK_FALSE(had_place);
        results.async_reserve(note);
    }
    poll(context); // granted when the only place was given back, and dropped by its handler
    CHECK_FALSE(seen);
    CHECK(had_place);
    CHECK(results.try_reserve());
    results.close(0);
    results.async_reserve(note);
    poll(context);
    CHECK(seen == headgate::error::closed);
}

TEST_CASE("a place may outlive its channel")
{
    asio::io_context context;
    channel::place place;
    {
        channel results{context, 1};
        place = results.try_reserve();
        REQUIRE(place);
    }
    std::string result = "kept";
    CHECK_FALSE(place.send(std::move(result)));
    CHECK(result == "kept");
    CHECK_THROWS_WITH((channel{context, 0}), Catch::Contains("result_channel: capacity is 0"));
}

TEST_CASE("what waits in a channel when the context goes is destroyed with it")
{
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watched = alive;
    {
        asio::io_context context;
        auto owner = [](std::shared_ptr<int>) -> asio::awaitable<void> {
            channel own{co_await asio::this_coro::executor, 1};
            auto place = co_await own.async_reserve(asio::use_awaitable);
            co_await own.async_send("waits for ever", asio::use_awaitable);
        };
        asio::co_spawn(context, owner(std::move(alive)), asio::detached);
        context.poll();
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
}
