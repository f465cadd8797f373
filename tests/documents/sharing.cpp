// What the snippets of docs/sharing.md are compiled in.
#include <headgate/headgate.hpp>
#include <headgate/redis/shared_limiter.hpp>
#include <headgate/redis/work_stream.hpp>

#include "api.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace std::literals;
using documents::run;

namespace {

std::size_t stored = 0;

void store(const headgate::page& page)
{
    stored += page.records().size();
}

struct result {
    std::size_t records = 0;
    std::string problem;
    std::vector<std::string> follow_ups;
};

int slips = 0;

result read_region(const std::string& name)
{
    if (name == "north" && ++slips == 1)
        return {0, "it is not there yet", {}};
    if (name == "south")
        return {3, "", {"south, page 2"}};
    return {4, "", {}};
}

// snippet: quota

// snippet: one_client

// snippet: work

// snippet: command

} // namespace

TEST_CASE("two runs keep to one quota")
{
    const support::redis_server redis;
    const documents::api api;
    asio::io_context context;
    const headgate::http::request list{api.url()};
    stored = 0;
    auto one = asio::co_spawn(context, pull(context, list, redis.url("/api")), asio::use_future);
    auto two = asio::co_spawn(context, pull(context, list, redis.url("/api")), asio::use_future);
    context.run();
    CHECK(one.get().complete());
    CHECK(two.get().complete());
    CHECK(stored == 70);

    two_apis other{context, redis.url()};
    const auto acquire = [](two_apis& apis) -> asio::awaitable<void> {
        co_await apis.orders.async_acquire(asio::use_awaitable);
        const auto held = co_await apis.maps.async_acquire_permit(1, asio::use_awaitable);
    };
    run(context, acquire(other));
    CHECK(other.orders.statistics().granted == 1);
    CHECK(other.maps.limits().size() == 2);
}

TEST_CASE("a job is done, with what follows and what fails at first")
{
    const support::redis_server redis;
    asio::io_context context;
    const headgate::redis::client_options where{redis.url()};
    headgate::redis::work_stream work{context, where, "regions"};
    slips = 0;
    run(context, take_part(work));
    CHECK(slips == 2);
    const auto fields = run(context, work.async_fields(asio::use_awaitable));
    CHECK(fields.size() == 3);
    CHECK(fields.at("records of south, page 2") == "4");
    const auto job = run(context, work.async_statistics(asio::use_awaitable));
    CHECK(job.finished());
    CHECK(job.acknowledged == 3);
    CHECK(job.dead == 0);

    headgate::redis::client client{context, where};
    CHECK(run(context, count_run(client)) == 1);
    CHECK(run(context, count_run(client)) == 2);
}
