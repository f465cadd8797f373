// What a limiter is told of what was spent before it was made.
#include <headgate/async_limiter.hpp>

#include "support/run.hpp"

#include <cstddef>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::testing::virtual_clock;
using support::limiter;
using support::noted;

namespace {

struct scene {
    explicit scene(std::vector<limit> limits) : gate{context, limits} {}

    virtual_clock::time_point ago(virtual_clock::duration span) const
    {
        return virtual_clock::now() - span;
    }

    int drain()
    {
        int taken = 0;
        while (gate.try_acquire())
            ++taken;
        return taken;
    }

    asio::io_context context;
    limiter gate;
};

} // namespace

TEST_CASE("what was spent before counts in a window until it is a period old")
{
    scene the{{limit::window(10, 60s)}};
    the.gate.recall(4, the.ago(70s));
    the.gate.recall(3, the.ago(50s));
    the.gate.recall(5, the.ago(20s));
    CHECK(the.drain() == 2);
    virtual_clock::run_for(the.context, 10s);
    CHECK(the.drain() == 3);
    virtual_clock::run_for(the.context, 30s);
    CHECK(the.drain() == 5);
}

TEST_CASE("more may have been spent than a window allows")
{
    scene the{{limit::window(10, 60s)}};
    the.gate.recall(15, the.ago(30s));
    CHECK(the.drain() == 0);
    virtual_clock::run_for(the.context, 30s);
    CHECK(the.drain() == 10);
}

TEST_CASE("what was answered cannot arrive as late as the slack allows")
{
    scene the{{limit::window(10, 10s).with_slack(60s)}};
    the.gate.recall(6, the.ago(12s), the.ago(11s));
    the.gate.recall(3, the.ago(9s), the.ago(7s));
    the.gate.recall(1, the.ago(8s));
    CHECK(the.drain() == 6);
    virtual_clock::run_for(the.context, 3s);
    CHECK(the.drain() == 3);
    virtual_clock::run_for(the.context, 58s);
    CHECK(the.drain() == 0);
    virtual_clock::run_for(the.context, 1s);
    CHECK(the.drain() == 1);
}

TEST_CASE("a bucket has refilled since")
{
    scene the{{limit::bucket(60, 60s, 20)}};
    the.gate.recall(20, the.ago(15s));
    the.gate.recall(5, the.ago(5s));
    CHECK(the.drain() == 10);

    scene paced{{limit::paced(10, 60s)}};
    paced.gate.recall(1, paced.ago(4s));
    CHECK(paced.drain() == 0);
    virtual_clock::run_for(paced.context, 2s);
    CHECK(paced.drain() == 1);
}

TEST_CASE("what is not known is taken for spent")
{
    scene the{{limit::window(10, 60s), limit::bucket(60, 60s, 20)}};
    the.gate.exhaust(the.ago(5s));
    CHECK(the.drain() == 0);
    virtual_clock::run_for(the.context, 54s);
    CHECK(the.drain() == 0);
    virtual_clock::run_for(the.context, 1s);
    CHECK(the.drain() == 10);

    scene bucket{{limit::bucket(60, 60s, 20)}};
    bucket.gate.exhaust(bucket.ago(5s));
    CHECK(bucket.drain() == 5);
}

TEST_CASE("a time to come counts as now, and who waits is served later")
{
    scene the{{limit::window(1, 60s)}};
    the.gate.recall(1, virtual_clock::now() + 1h);
    noted asked;
    the.gate.async_acquire(asked);
    virtual_clock::run_for(the.context, 59s);
    CHECK_FALSE(asked.ok());
    virtual_clock::run_for(the.context, 1s);
    CHECK(asked.ok());
}
