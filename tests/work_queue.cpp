#include <headgate/detail/asio.hpp>
#include <headgate/work_queue.hpp>

#include "support/run.hpp"

#include <asio/bind_executor.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <any>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using headgate::testing::virtual_clock;
using support::noted;

namespace {

template <class T>
using queue = headgate::basic_work_queue<T, virtual_clock>;

/// A pop's handler that notes what it got.
template <class T>
struct popped {
    struct state {
        noted end;
        std::optional<T> item;
    };
    std::shared_ptr<state> got = std::make_shared<state>();

    void operator()(headgate::error_code result, std::optional<T> item) const
    {
        got->end(result);
        got->item = std::move(item);
    }
};

} // namespace

TEST_CASE("items come out in order, each once")
{
    asio::io_context context;
    queue<int> items{context, 2};
    noted first, second, third;
    items.async_push(1, first);
    items.async_push(2, second);
    items.async_push(3, third);
    context.poll();
    CHECK(second.ok());
    CHECK(third.calls() == 0); // no room
    CHECK_FALSE(items.try_push(4));
    CHECK(items.size() == 2);
    CHECK(items.try_pop() == 1);
    context.restart();
    context.poll();
    CHECK(third.ok());
    CHECK(items.try_pop() == 2);
    CHECK(items.try_pop() == 3);
    CHECK(items.try_pop() == std::nullopt);
}

TEST_CASE("who pops waits in turn and gets the item handed over")
{
    asio::io_context context;
    queue<std::unique_ptr<int>> items{context, 1};
    popped<std::unique_ptr<int>> first, second;
    items.async_pop(first);
    items.async_pop(second);
    CHECK(items.try_push(std::make_unique<int>(1)));
    CHECK(items.try_push(std::make_unique<int>(2)));
    auto refused = std::make_unique<int>(4);
    CHECK(items.try_push(std::make_unique<int>(3)));
    CHECK_FALSE(items.try_push(std::move(refused)));
    CHECK(refused); // untouched
    context.poll();
    CHECK(**first.got->item == 1);
    CHECK(**second.got->item == 2);
}

TEST_CASE("a closed queue is drained, then says so")
{
    asio::io_context context;
    queue<int> items{context, 1};
    noted blocked, late;
    popped<int> rest, end, waiting;
    REQUIRE(items.try_push(1));
    items.async_push(2, blocked);
    items.close();
    items.async_push(3, late);
    items.async_pop(rest);
    items.async_pop(end);
    context.poll();
    CHECK(blocked.result() == headgate::error::closed);
    CHECK(late.result() == headgate::error::closed);
    CHECK(rest.got->item == 1);
    CHECK(end.got->end.ok());
    CHECK_FALSE(end.got->item);
    CHECK(items.closed());

    queue<int> empty{context, 1};
    empty.async_pop(waiting);
    empty.close();
    context.restart();
    context.poll();
    CHECK(waiting.got->end.ok());
    CHECK_FALSE(waiting.got->item);
}

TEST_CASE("a pop can be out of time, which is decided in one step")
{
    virtual_clock::reset();
    asio::io_context context;
    queue<int> items{context, 4};
    popped<int> early, late, past, there;
    items.async_pop_until(virtual_clock::now() + 5s, late);
    items.async_pop_until(virtual_clock::now() + 2s, early);
    items.async_pop_until(virtual_clock::now() - 1s, past);
    virtual_clock::run_for(context, 3s);
    CHECK(early.got->end.result() == asio::error::timed_out);
    CHECK(early.got->end.at() == 2);
    CHECK(past.got->end.result() == asio::error::timed_out);
    CHECK(past.got->end.at() == 0);
    CHECK(late.got->end.calls() == 0);
    REQUIRE(items.try_push(7));
    REQUIRE(items.try_push(8));
    items.async_pop_until(virtual_clock::now() - 1s, there);
    virtual_clock::run(context);
    CHECK(late.got->item == 7);
    CHECK(there.got->item == 8);
    CHECK(support::seconds() == 3); // no timer is left behind
}

TEST_CASE("joining waits for every item to be done")
{
    asio::io_context context;
    queue<int> items{context, 4};
    noted nothing, both;
    items.async_join(nothing);
    REQUIRE(items.try_push(1));
    REQUIRE(items.try_push(2));
    items.async_join(both);
    items.try_pop();
    items.task_done();
    context.poll();
    CHECK(nothing.ok());
    CHECK(both.calls() == 0);
    items.task_done();
    context.restart();
    context.poll();
    CHECK(both.ok());
    CHECK_THROWS_AS(items.task_done(), std::logic_error);
}

TEST_CASE("destroying a queue completes who waits")
{
    asio::io_context context;
    noted push, join;
    popped<int> pop;
    {
        queue<int> full{context, 1};
        REQUIRE(full.try_push(1));
        full.async_push(2, push);
        full.async_join(join);
        queue<int> empty{context, 1};
        empty.async_pop(pop);
        queue<int> moved{std::move(empty)};
        CHECK(moved.capacity() == 1);
    }
    context.poll();
    CHECK(push.aborted());
    CHECK(join.aborted());
    CHECK(pop.got->end.aborted());
    CHECK_THROWS_WITH((queue<int>{context, 0}), Catch::Contains("capacity is 0"));
}

TEST_CASE("what waits in a queue when the context goes is destroyed with it")
{
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watched = alive;
    {
        asio::io_context context;
        auto owner = [](std::shared_ptr<int>) -> asio::awaitable<void> {
            queue<int> own{co_await asio::this_coro::executor, 1};
            co_await own.async_pop_until(virtual_clock::now() + 1h, asio::use_awaitable);
        };
        asio::co_spawn(context, owner(std::move(alive)), asio::detached);
        context.poll();
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
}

TEST_CASE("futures, deferred operations and tuples")
{
    asio::io_context context;
    queue<int> items{context, 2};
    auto popping = items.async_pop(headgate::detail::deferred);
    popped<int> got;
    std::move(popping)(got); // waits, so that the context has work to do
    auto pushed = items.async_push(1, asio::use_future);
    context.run();
    pushed.get();
    CHECK(got.got->item == 1);
}

TEST_CASE("random pushes, pops, deadlines and cancellations lose and repeat nothing")
{
    virtual_clock::reset();
    asio::io_context context;
    queue<int> items{context, 3};
    std::mt19937_64 random{7};
    std::deque<asio::cancellation_signal> signals;
    std::vector<int> in, out;
    int next = 0, aborted = 0;
    for (int step = 0; step < 30'000; ++step) {
        auto& signal = signals.emplace_back();
        switch (random() % 5) {
        case 0:
        case 1:
            items.async_push(next,
                             asio::bind_cancellation_slot(
                                 signal.slot(), [&, item = next](headgate::error_code failed) {
                                     failed ? void(++aborted) : in.push_back(item);
                                 }));
            ++next;
            break;
        case 2:
        case 3: {
            auto take = asio::bind_cancellation_slot(
                signal.slot(), [&](headgate::error_code failed, std::optional<int> item) {
                    REQUIRE(item.has_value() == !failed);
                    if (item)
                        out.push_back(*item);
                });
            if (random() % 2 == 0)
                items.async_pop(take);
            else
                items.async_pop_until(virtual_clock::now() + 1ms * (random() % 4), take);
            break;
        }
        default:
            signals[signals.size() - 1 - random() % std::min<std::size_t>(20, signals.size())].emit(
                asio::cancellation_type::total);
        }
        if (random() % 3 == 0)
            virtual_clock::run_for(context, 1ms * (random() % 3));
    }
    virtual_clock::run_for(context, 10ms);
    items.close();
    while (auto left = items.try_pop())
        out.push_back(*left);
    virtual_clock::run(context);
    CHECK(aborted > 100);
    CHECK(out.size() > 1000);
    std::sort(in.begin(), in.end());
    CHECK(std::is_sorted(out.begin(), out.end())); // first in, first out
    CHECK(in == out);
}

TEST_CASE("a cancellation signal may outlive queue and context")
{
    asio::cancellation_signal signal;
    popped<int> waiting;
    {
        asio::io_context context;
        queue<int> items{asio::make_strand(context), 1};
        items.async_pop(asio::bind_cancellation_slot(signal.slot(), waiting));
        context.poll();
    }
    signal.emit(asio::cancellation_type::terminal);
    CHECK(waiting.got->end.calls() == 0);
}

TEST_CASE("a queue that is gone leaves no timer, whoever still holds on to it")
{
    virtual_clock::reset();
    asio::io_context context;
    std::optional<queue<int>> items{std::in_place, context, 1};
    auto later = items->async_pop(headgate::detail::deferred);
    popped<int> waiting;
    items->async_pop_until(virtual_clock::now() + 1h, waiting);
    virtual_clock::run_for(context, 1s);
    items.reset();
    virtual_clock::run(context);
    CHECK(waiting.got->end.aborted());
    CHECK(support::seconds() == 1);
    popped<int> never;
    std::move(later)(never);
    context.restart();
    context.poll();
    CHECK(never.got->end.aborted());
}

TEST_CASE("an item that may be made of a list of its like is handed over as it is")
{
    asio::io_context context;
    using list = std::vector<std::any>;
    queue<list> items{context, 1};
    const list item{1, 2, 3};
    popped<list> at_once, waited;
    items.try_push(item);
    items.async_pop(at_once);
    items.async_pop(waited);
    items.async_push(item, [](headgate::error_code failed) { CHECK_FALSE(failed); });
    context.poll();
    CHECK(at_once.got->item.value().size() == 3);
    CHECK(waited.got->item.value().size() == 3);
}

TEST_CASE("an item that is there is handed over whatever was bound to the cancellation slot before")
{
    virtual_clock::reset();
    asio::io_context context;
    asio::cancellation_signal signal;
    {
        support::timer before{context, 1s};
        before.async_wait(asio::bind_cancellation_slot(signal.slot(), [](headgate::error_code) {}));
        virtual_clock::run_for(context, 1s);
    }
    {
        asio::steady_timer before{context, 0s};
        before.async_wait(asio::bind_cancellation_slot(signal.slot(), [](headgate::error_code) {}));
        context.restart();
        context.run();
    }
    queue<int> items{context, 1};
    items.try_push(1);
    popped<int> got;
    items.async_pop(asio::bind_cancellation_slot(signal.slot(), got));
    signal.emit(asio::cancellation_type::terminal);
    context.restart();
    context.poll();
    CHECK(got.got->end.ok());
    CHECK(got.got->item == 1);
}

TEST_CASE("the queue's context has work until a handler that runs elsewhere is called")
{
    asio::io_context here;
    asio::io_context there;
    queue<int> items{here, 1};
    items.try_push(1);
    bool called = false;
    items.async_pop(asio::bind_executor(there, [&](headgate::error_code, std::optional<int>) {
        called = true;
        CHECK(here.stopped());
    }));
    CHECK(here.poll() == 0);
    CHECK_FALSE(here.stopped()); // there is work
    there.run();
    CHECK(called);
}
