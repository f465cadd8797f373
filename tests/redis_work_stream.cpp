#include <headgate/detail/asio.hpp>
#include <headgate/redis/client.hpp>
#include <headgate/redis/work_stream.hpp>

#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using headgate::redis::client;
using headgate::redis::client_options;
using headgate::redis::reply;
using headgate::redis::seeding;
using headgate::redis::work_fields;
using headgate::redis::work_item;
using headgate::redis::work_stream;
using headgate::redis::work_stream_options;
using headgate::redis::work_stream_statistics;
using redis_error = headgate::redis::error;
using support::redis_server;

namespace {

constexpr auto visibility = 300ms;
constexpr auto long_enough = 60s; // for anything that is waited for

work_stream_options quick()
{
    return work_stream_options{}.visibility(visibility).patience(30s);
}

client_options at(const redis_server& server)
{
    return client_options{server.url()}.command_timeout(2s);
}

/// Runs a context until something is so.
void run_until(asio::io_context& context, const std::function<bool()>& so)
{
    const auto end = std::chrono::steady_clock::now() + long_enough;
    while (!so()) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        context.restart();
        context.run_for(5ms);
    }
}

/// A handler that keeps what it is called with.
template <class... Values>
class kept {
public:
    void operator()(headgate::error_code failed, Values... values) const
    {
        ++state_->calls;
        state_->failed = failed;
        state_->values = std::make_tuple(std::move(values)...);
    }

    bool done() const { return state_->calls > 0; }
    int calls() const { return state_->calls; }
    headgate::error_code failed() const { return state_->failed; }
    auto& value() const { return std::get<0>(state_->values); }

private:
    struct state {
        int calls = 0;
        headgate::error_code failed;
        std::tuple<Values...> values;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

using popped = kept<std::optional<work_item>>;

/// Starts something and runs the context until it has ended.
template <class... Values, class Start>
kept<Values...> finish(asio::io_context& context, Start start)
{
    kept<Values...> end;
    start(end);
    run_until(context, [&] { return end.done(); });
    CHECK(end.calls() == 1);
    return end;
}

/// Starts something and blocks until it has ended, without an error.
template <class... Values, class Start>
auto wait_for(Start start)
{
    using result = std::tuple<Values...>;
    auto promise = std::make_shared<std::promise<result>>();
    start([promise](headgate::error_code failed, Values... values) {
        if (failed)
            promise->set_exception(std::make_exception_ptr(headgate::system_error{failed}));
        else
            promise->set_value(result{std::move(values)...});
    });
    if constexpr (sizeof...(Values) == 0)
        promise->get_future().get();
    else
        return std::get<0>(promise->get_future().get());
}

seeding seed(asio::io_context& context, work_stream& work, std::vector<std::string> items,
             bool close = true, std::string job = "job")
{
    const auto end = finish<seeding>(context, [&](auto done) {
        if (close)
            work.async_seed_all(job, items, done);
        else
            work.async_seed(job, items, done);
    });
    CHECK_FALSE(end.failed());
    return end.value();
}

work_item pop(asio::io_context& context, work_stream& work)
{
    const auto end =
        finish<std::optional<work_item>>(context, [&](auto done) { work.async_pop(done); });
    CHECK_FALSE(end.failed());
    REQUIRE(end.value());
    return std::move(*end.value());
}

headgate::error_code acknowledge(asio::io_context& context, work_stream& work,
                                 const work_item& item)
{
    return finish<>(context, [&](auto done) { work.async_acknowledge(item, done); }).failed();
}

work_stream_statistics statistics(asio::io_context& context, work_stream& work)
{
    const auto end =
        finish<work_stream_statistics>(context, [&](auto done) { work.async_statistics(done); });
    CHECK_FALSE(end.failed());
    return end.value();
}

bool all_done(asio::io_context& context, work_stream& work)
{
    const auto end =
        finish<std::optional<work_item>>(context, [&](auto done) { work.async_pop(done); });
    return !end.failed() && !end.value();
}

std::vector<std::string> numbered(std::size_t count)
{
    std::vector<std::string> items;
    for (std::size_t i = 0; i < count; ++i)
        items.push_back("item " + std::to_string(i));
    return items;
}

reply command(asio::io_context& context, client& redis, std::vector<std::string> what)
{
    const auto end =
        finish<reply>(context, [&](auto done) { redis.async_command(std::move(what), done); });
    CHECK_FALSE(end.failed());
    return end.value();
}

/// A process that takes items and writes them to a file of its own, which counts as far as Redis
/// says.
asio::awaitable<void> take_part(work_stream& work, std::ofstream& file, std::size_t& bytes,
                                std::string name, std::optional<std::size_t> stop_after)
{
    asio::steady_timer timer{co_await asio::this_coro::executor};
    std::size_t count = 0;
    while (auto item = co_await work.async_pop(asio::use_awaitable)) {
        timer.expires_after(2ms);
        co_await timer.async_wait(asio::use_awaitable);
        if (stop_after && ++count > *stop_after) {
            std::ofstream{name + ".holds"} << item->id();
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            co_await timer.async_wait(asio::use_awaitable);
        }
        const std::string line = item->payload() + '\n';
        file << line << std::flush;
        bytes += line.size();
        work_fields fields;
        fields["bytes:" + name] = std::to_string(bytes);
        const std::vector<std::string> none;
        co_await work.async_acknowledge(*item, fields, none, asio::use_awaitable);
    }
}

[[noreturn]] void be_worker(const client_options& where, const std::string& name, bool stops)
{
    int status = 0;
    try {
        asio::io_context context;
        work_stream work{context, where, "job", quick()};
        std::ofstream file{name};
        std::size_t bytes = 0;
        const std::size_t at_once = stops ? 3 : 1;
        for (std::size_t i = 0; i < at_once; ++i)
            asio::co_spawn(context,
                           take_part(work, file, bytes, name,
                                     stops ? std::optional<std::size_t>{4 * i} : std::nullopt),
                           [&](std::exception_ptr failed) {
                               if (failed)
                                   status = 1;
                           });
        context.run();
    } catch (...) {
        status = 2;
    }
    ::_exit(status);
}

} // namespace

TEST_CASE("several processes do each item once, whoever of them is killed")
{
    redis_server server;
    const auto directory =
        std::filesystem::temp_directory_path() / ("headgate-work-" + std::to_string(::getpid()));
    std::filesystem::create_directory(directory);
    const auto name_of = [&](int i) { return (directory / std::to_string(i)).string(); };
    const client_options where = at(server);
    const auto items = numbered(200);
    {
        asio::io_context context;
        work_stream work{context, where, "job", quick()};
        CHECK(seed(context, work, items).first);
    }
    std::vector<pid_t> workers;
    for (int i = 0; i < 4; ++i) {
        const pid_t process = ::fork();
        REQUIRE(process >= 0);
        if (process == 0)
            be_worker(where, name_of(i), i == 0);
        workers.push_back(process);
    }

    asio::io_context context;
    work_stream work{context, where, "job", quick()};
    run_until(context, [&] { return std::filesystem::exists(name_of(0) + ".holds"); });
    ::kill(workers[0], SIGKILL);
    const auto end = finish<>(context, [&](auto done) { work.async_join(done); });
    CHECK_FALSE(end.failed());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        int status = -1;
        CHECK(::waitpid(workers[i], &status, 0) == workers[i]);
        if (i > 0)
            CHECK(status == 0);
    }

    const auto seen = statistics(context, work);
    CHECK(seen.finished());
    CHECK(seen.acknowledged == items.size());
    CHECK(seen.dead == 0);
    CHECK(seen.taken_over >= 1);
    const auto fields =
        finish<work_fields>(context, [&](auto done) { work.async_fields(done); }).value();
    std::map<std::string, int> times;
    for (int i = 0; i < 4; ++i) {
        const auto acknowledged = fields.find("bytes:" + name_of(i));
        if (acknowledged == fields.end())
            continue;
        std::ifstream file{name_of(i)};
        std::string text{std::istreambuf_iterator<char>{file}, {}};
        REQUIRE(text.size() >= std::stoul(acknowledged->second));
        std::istringstream lines{text.substr(0, std::stoul(acknowledged->second))};
        for (std::string line; std::getline(lines, line);)
            ++times[line];
    }
    CHECK(times.size() == items.size());
    CHECK(
        std::all_of(times.begin(), times.end(), [](const auto& each) { return each.second == 1; }));
    std::filesystem::remove_all(directory);
}

TEST_CASE("a slow worker that lives keeps its item")
{
    redis_server server;
    asio::io_context context;
    work_stream slow{context, at(server), "job", quick()};
    work_stream other{context, at(server), "job", quick()};
    seed(context, slow, {"long"});
    const work_item item = pop(context, slow);
    CHECK(slow.held() == 1);
    const auto end = finish<std::optional<work_item>>(context, [&](auto done) {
        other.async_pop_until(std::chrono::steady_clock::now() + 5 * visibility, done);
    });
    CHECK(end.failed() == asio::error::timed_out);
    CHECK_FALSE(acknowledge(context, slow, item));
    CHECK(slow.held() == 0);
    CHECK(all_done(context, other));
    CHECK(statistics(context, other).taken_over == 0);
}

TEST_CASE("who has lost an item cannot acknowledge it")
{
    redis_server server;
    asio::io_context silent, context;
    work_stream lost{silent, at(server), "job", quick()};
    work_stream other{context, at(server), "job", quick()};
    seed(silent, lost, {"first"}, false);
    const work_item before = pop(silent, lost);
    CHECK_FALSE(finish<>(silent, [&](auto done) {
                    lost.async_update(before, "first, from 7", {{"seen", "7"}}, done);
                }).failed());
    const work_item after = pop(context, other); // nobody runs the other context any more
    CHECK(after.id() == before.id());
    CHECK(after.payload() == "first, from 7");
    CHECK(after.deliveries() == 2);

    CHECK(finish<>(silent, [&](auto done) {
              lost.async_update(before, "from 8", {{"seen", "8"}}, done);
          }).failed() == redis_error::taken_over);
    CHECK(finish<>(silent, [&](auto done) {
              lost.async_acknowledge(before, {{"seen", "9"}}, {"follows"}, done);
          }).failed() == redis_error::taken_over);
    CHECK(finish<>(silent, [&](auto done) { lost.async_fail(before, "why", done); }).failed() ==
          redis_error::taken_over);
    CHECK(lost.held() == 0);
    const auto fields = [&] {
        return finish<work_fields>(context, [&](auto done) { other.async_fields(done); }).value();
    };
    CHECK(fields() == work_fields{{"seen", "7"}});
    CHECK_FALSE(finish<>(context, [&](auto done) {
                    other.async_acknowledge(after, {{"seen", "10"}, {"by", "other"}}, {}, done);
                }).failed());
    CHECK(fields() == work_fields{{"by", "other"}, {"seen", "10"}});
    CHECK(acknowledge(context, other, after) == redis_error::taken_over); // done already
    const auto seen = statistics(context, other);
    CHECK(seen.acknowledged == 1);
    CHECK(seen.pushed == 1);
    CHECK(seen.taken_over == 1);
}

TEST_CASE("what fails again and again is set aside with its reason, and the rest goes on")
{
    redis_server server;
    asio::io_context silent, silent_too, context;
    const auto options = quick().max_deliveries(2);
    work_stream dies{silent, at(server), "job", options};
    work_stream dies_too{silent_too, at(server), "job", options};
    work_stream work{context, at(server), "job", options};
    seed(context, work, {"poison", "never", "deadly", "good"});

    for (std::size_t i = 1; i <= 2; ++i) {
        const work_item item = pop(context, work);
        CHECK(item.payload() == "poison");
        CHECK(item.deliveries() == i);
        CHECK_FALSE(finish<>(context, [&](auto done) {
                        work.async_fail(item, "row " + std::to_string(i) + " is bad", done);
                    }).failed());
    }
    {
        const work_item item = pop(context, work);
        CHECK(item.payload() == "never");
        CHECK_FALSE(finish<>(context, [&](auto done) {
                        work.async_reject(item, "not for us", done);
                    }).failed());
    }
    {
        // Whoever takes it is not heard of any more.
        const work_item first = pop(silent, dies);
        CHECK(first.payload() == "deadly");
        const work_item good = pop(context, work);
        CHECK(good.payload() == "good");
        CHECK_FALSE(acknowledge(context, work, good));
        const work_item second = pop(silent_too, dies_too);
        CHECK(second.payload() == "deadly");
        CHECK(second.deliveries() == 2);
        CHECK(all_done(context, work));
    }
    const auto seen = statistics(context, work);
    CHECK(seen.dead == 3);
    CHECK(seen.acknowledged == 1);
    CHECK(seen.finished());
    const auto dead = finish<std::vector<headgate::redis::dead_item>>(context, [&](auto done) {
                          work.async_dead(10, done);
                      }).value();
    REQUIRE(dead.size() == 3);
    CHECK(dead[0].payload == "poison");
    CHECK(dead[0].reason == "row 2 is bad");
    CHECK(dead[0].deliveries == 2);
    CHECK(dead[1].reason == "not for us");
    CHECK(dead[2].payload == "deadly");
    CHECK(dead[2].reason == "taken over 2 times");
}

TEST_CASE("an item that is dropped or released goes to another")
{
    redis_server server;
    asio::io_context context;
    const auto options = work_stream_options{}.max_deliveries(2); // nothing is taken over in time
    work_stream one{context, at(server), "job", options};
    work_stream other{context, at(server), "job", options};
    seed(context, one, {"thing"});
    for (int i = 0; i < 4; ++i) { // ends are not failures
        const work_item item = pop(context, i % 2 ? one : other);
        CHECK_FALSE(finish<>(context, [&](auto done) {
                        (i % 2 ? one : other).async_release(item, done);
                    }).failed());
    }
    popped waits;
    {
        const work_item dropped = pop(context, one);
        CHECK(dropped.deliveries() == 5);
        other.async_pop(waits);
    }
    run_until(context, [&] { return waits.done(); });
    REQUIRE(waits.value());
    CHECK(waits.value()->payload() == "thing");
    waits.value().reset();
    CHECK(all_done(context, one));
    const auto dead = finish<std::vector<headgate::redis::dead_item>>(context, [&](auto done) {
                          one.async_dead(10, done);
                      }).value();
    REQUIRE(dead.size() == 1);
    CHECK(dead[0].reason == "given up by its worker");
}

TEST_CASE("all who wait see the end, also of what follows from other items")
{
    redis_server server;
    asio::io_context context;
    std::vector<work_stream> processes;
    for (int i = 0; i < 3; ++i)
        processes.emplace_back(context, at(server), "job", work_stream_options{});
    seed(context, processes[0], {"first"}, false);
    const work_item first = pop(context, processes[0]);
    std::vector<popped> pops(12);
    std::vector<kept<>> joins(3);
    for (std::size_t i = 0; i < pops.size(); ++i)
        processes[i % 3].async_pop(pops[i]);
    for (std::size_t i = 0; i < joins.size(); ++i)
        processes[i].async_join(joins[i]);
    CHECK_FALSE(finish<>(context, [&](auto done) { processes[1].async_close(done); }).failed());
    CHECK(finish<>(context, [&](auto done) { processes[2].async_push("late", done); }).failed() ==
          headgate::error::closed);
    CHECK_FALSE(finish<>(context, [&](auto done) {
                    processes[0].async_acknowledge(first, {}, {"second"}, done);
                }).failed());
    const auto ended = [](const auto& each) { return each.done(); };
    run_until(context, [&] { return std::any_of(pops.begin(), pops.end(), ended); });
    const auto taker = std::find_if(pops.begin(), pops.end(), ended);
    REQUIRE(taker->value());
    CHECK(taker->value()->payload() == "second");
    CHECK(std::count_if(pops.begin(), pops.end(), ended) == 1);
    CHECK(std::none_of(joins.begin(), joins.end(), ended));
    const auto owner = static_cast<std::size_t>(taker - pops.begin()) % 3;
    CHECK_FALSE(acknowledge(context, processes[owner], *taker->value()));
    run_until(context, [&] {
        return std::all_of(pops.begin(), pops.end(), ended) &&
               std::all_of(joins.begin(), joins.end(), ended);
    });
    for (const auto& each : pops) {
        CHECK_FALSE(each.failed());
        CHECK((&each == &*taker) == each.value().has_value());
    }
    for (const auto& each : joins)
        CHECK_FALSE(each.failed());
}

TEST_CASE("whoever comes first puts the items in, and another job is refused")
{
    redis_server server;
    asio::io_context context;
    std::vector<work_stream> processes;
    for (int i = 0; i < 9; ++i)
        processes.emplace_back(context, at(server), "job", quick());
    popped waits;
    processes[8].async_pop(waits); // before there is anything
    CHECK(finish<>(context, [&](auto done) { processes[0].async_push("x", done); }).failed() ==
          redis_error::not_seeded);
    std::vector<kept<seeding>> seeds(8);
    for (std::size_t i = 0; i < seeds.size(); ++i)
        processes[i].async_seed_all("pull everything", numbered(5), seeds[i]);
    run_until(context, [&] {
        return std::all_of(seeds.begin(), seeds.end(), [](auto& each) { return each.done(); });
    });
    CHECK(std::count_if(seeds.begin(), seeds.end(),
                        [](auto& each) { return !each.failed() && each.value().first; }) == 1);
    CHECK(std::none_of(seeds.begin(), seeds.end(), [](auto& each) { return each.failed(); }));
    CHECK(statistics(context, processes[0]).pushed == 5);
    run_until(context, [&] { return waits.done(); });
    CHECK(waits.value());

    work_stream stranger{context, at(server), "job", quick()};
    const auto refused = finish<seeding>(context, [&](auto done) {
        stranger.async_seed_all("pull something else", numbered(3), done);
    });
    CHECK(refused.failed() == redis_error::other_job);
    CHECK(refused.value().job == "pull everything");
    CHECK(statistics(context, processes[0]).pushed == 5);
}

TEST_CASE("only a finished job expires")
{
    redis_server server;
    asio::io_context context;
    work_stream work{context, at(server), "some/job", quick().keep_finished(60s)};
    client redis{context, at(server)};
    const auto count_expiring = [&] {
        std::size_t expiring = 0;
        const auto keys = command(context, redis, {"KEYS", "*"});
        for (const auto& each : keys.elements()) {
            CHECK(each.text().starts_with("{some/job}:"));
            expiring += command(context, redis, {"PTTL", each.text()}).integer() > 0;
        }
        CHECK(keys.size() > 0);
        return std::pair{expiring, keys.size()};
    };
    seed(context, work, {"one", "two"});
    {
        const work_item one = pop(context, work);
        CHECK_FALSE(acknowledge(context, work, one));
        const work_item two = pop(context, work);
        CHECK(count_expiring().first == 0);
        CHECK_FALSE(acknowledge(context, work, two));
    }
    const auto [expiring, all] = count_expiring();
    CHECK(expiring == all);
    kept<work_stream_statistics> asked;
    popped ends;
    work.async_pop(ends);
    work.async_statistics(asked); // whose answer comes when the end is known
    run_until(context, [&] { return ends.done() && asked.done(); });
    CHECK_FALSE(ends.value());
    CHECK(asked.value().acknowledged == 2);
    work_stream again{context, at(server), "some/job", quick()};
    CHECK_FALSE(seed(context, again, {"one", "two"}).first);
    CHECK(all_done(context, again));
    command(context, redis, {"FLUSHALL"}); // as if the time had come
    CHECK(finish<work_stream_statistics>(context, [&](auto done) {
              again.async_statistics(done);
          }).failed() == redis_error::state_lost);
    CHECK(all_done(context, again)); // as it was seen to be
}

TEST_CASE("work goes on when Redis is killed and started again with what it has kept")
{
    redis_server server{redis_server::options{}.persistent()};
    asio::io_context context;
    work_stream work{context, at(server), "job", quick()};
    work_stream other{context, at(server), "job", quick()};
    seed(context, work, {"held"}, false);
    const work_item held = pop(context, work);
    std::vector<kept<>> pushes(120);
    for (std::size_t i = 0; i < pushes.size(); ++i)
        work.async_push("item " + std::to_string(i), pushes[i]);
    run_until(context, [&] { return pushes.front().done(); });
    server.kill(); // with answers on their way
    context.restart();
    context.poll();
    server.start();
    run_until(context, [&] {
        return std::all_of(pushes.begin(), pushes.end(), [](auto& each) { return each.done(); });
    });
    CHECK(std::none_of(pushes.begin(), pushes.end(), [](auto& each) { return each.failed(); }));
    CHECK_FALSE(acknowledge(context, work, held));
    CHECK(statistics(context, other).pushed == 121);

    // Some are in work when it happens again.
    CHECK_FALSE(finish<>(context, [&](auto done) { work.async_close(done); }).failed());
    std::vector<popped> pops(50);
    for (auto& each : pops)
        work.async_pop(each);
    run_until(context, [&] {
        return std::all_of(pops.begin(), pops.end(), [](auto& each) { return each.done(); });
    });
    std::vector<kept<>> acknowledged(pops.size());
    for (std::size_t i = 0; i < pops.size(); ++i)
        work.async_acknowledge(*pops[i].value(), acknowledged[i]);
    run_until(context, [&] { return acknowledged.front().done(); });
    popped waits;
    other.async_pop(waits);
    server.kill();
    server.start();
    run_until(context, [&] {
        return std::all_of(acknowledged.begin(), acknowledged.end(),
                           [](auto& each) { return each.done(); });
    });
    CHECK(std::none_of(acknowledged.begin(), acknowledged.end(),
                       [](auto& each) { return each.failed(); }));
    run_until(context, [&] { return waits.done(); });
    REQUIRE(waits.value());
    CHECK_FALSE(acknowledge(context, other, *waits.value()));
    std::size_t rest = 0;
    for (;; ++rest) {
        const auto end =
            finish<std::optional<work_item>>(context, [&](auto done) { other.async_pop(done); });
        REQUIRE_FALSE(end.failed());
        if (!end.value())
            break;
        CHECK_FALSE(acknowledge(context, other, *end.value()));
    }
    CHECK(rest == 69);
    const auto seen = statistics(context, work);
    CHECK(seen.acknowledged == 121);
    CHECK(seen.pushed == 121);
    client redis{context, at(server)};
    CHECK(command(context, redis, {"HLEN", "{job}:done"}).integer() < 50); // not kept for ever
}

TEST_CASE("when Redis was started again its workers have time to say that they live")
{
    redis_server server{redis_server::options{}.persistent()};
    asio::io_context silent, context;
    const auto options = quick().visibility(1s);
    work_stream holder{silent, at(server), "job", options};
    work_stream other{context, at(server), "job", options};
    client redis{context, at(server)};
    seed(silent, holder, {"thing"});
    seed(context, other, {"thing"});
    const work_item held = pop(silent, holder);
    // As if its holder had been silent for long.
    const auto age = [&] {
        const auto found =
            command(context, redis, {"XPENDING", "{job}:stream", "workers", "-", "+", "1"});
        command(context, redis,
                {"XCLAIM", "{job}:stream", "workers", found[0][1].text(), "0", held.id(), "IDLE",
                 "100000", "JUSTID"});
        command(context, redis, {"HDEL", "{job}:meta", "swept"}); // nobody has looked since
    };
    age();
    server.kill();
    server.start();
    const auto early = finish<std::optional<work_item>>(context, [&](auto done) {
        other.async_pop_until(std::chrono::steady_clock::now() + 300ms, done);
    });
    CHECK(early.failed() == asio::error::timed_out);
    const work_item taken = pop(context, other); // it has not
    CHECK(taken.deliveries() == 2);

    work_stream third{context, at(server), "job", options};
    age();
    CHECK(pop(context, third).deliveries() == 3); // at once, as Redis has run for long enough
}

TEST_CASE("work that Redis has lost is not taken for done")
{
    redis_server server;
    asio::io_context context;
    work_stream work{context, at(server), "job", quick()};
    work_stream waiting{context, at(server), "job", quick()};
    seed(context, work, {"one"});
    const work_item item = pop(context, work);
    popped waits;
    kept<> joins;
    seed(context, waiting, {"one"});
    waiting.async_pop(waits);
    waiting.async_join(joins);
    context.restart();
    context.poll();
    server.kill();
    server.start();
    run_until(context, [&] { return waits.done() && joins.done(); });
    CHECK(waits.failed() == redis_error::state_lost);
    CHECK_FALSE(waits.value());
    CHECK(joins.failed() == redis_error::state_lost);
    CHECK(acknowledge(context, work, item) == redis_error::state_lost);
    const auto late =
        finish<std::optional<work_item>>(context, [&](auto done) { work.async_pop(done); });
    CHECK(late.failed() == redis_error::state_lost);

    // Another job in its place is not the same either.
    asio::io_context idle;
    work_stream fresh{context, at(server), "job", quick()};
    CHECK(seed(context, fresh, {"one"}).first);
    CHECK(finish<>(context, [&](auto done) { waiting.async_close(done); }).failed() ==
          redis_error::state_lost);
}

TEST_CASE("work of which Redis has lost the last steps is lost, too")
{
    redis_server server{redis_server::options{}.persistent()};
    asio::io_context context;
    client redis{context, at(server)};
    work_stream work{context, at(server), "job", work_stream_options{}};
    work_stream unaware{context, at(server), "job", work_stream_options{}};
    seed(context, unaware, {"one", "two"});
    seed(context, work, {"one", "two"});
    const auto version = command(context, redis, {"HGET", "{job}:meta", "version"}).text();
    const work_item item = pop(context, work);
    command(context, redis, {"HSET", "{job}:meta", "version", version}); // what was before that

    SECTION("as when a copy was put in its place") {}
    SECTION("as the next sees")
    {
        server.kill();
        server.start();
    }
    SECTION("even if others have done more before")
    {
        server.kill();
        server.start();
        for (int i = 0; i < 3; ++i) {
            const work_item other = pop(context, unaware);
            CHECK_FALSE(
                finish<>(context, [&](auto done) { unaware.async_release(other, done); }).failed());
        }
    }
    CHECK(acknowledge(context, work, item) == redis_error::state_lost);
    CHECK_FALSE(acknowledge(context, unaware, pop(context, unaware)));
}

TEST_CASE("a pop that is cancelled takes nothing")
{
    redis_server server;
    asio::io_context context;
    work_stream one{context, at(server), "job", work_stream_options{}};
    work_stream other{context, at(server), "job", work_stream_options{}};
    seed(context, one, {"thing"}, false);
    seed(context, other, {"thing"}, false);
    bool was_on_its_way = false;
    for (int i = 0; i < 100 && !was_on_its_way; ++i) {
        asio::cancellation_signal stop;
        popped cancelled, waits;
        server.freeze();
        one.async_pop(asio::bind_cancellation_slot(stop.slot(), cancelled));
        context.restart();
        context.run_for(std::chrono::milliseconds{i});
        stop.emit(asio::cancellation_type::total);
        run_until(context, [&] { return cancelled.done(); }); // Redis need not answer
        CHECK(cancelled.failed() == asio::error::operation_aborted);
        CHECK_FALSE(cancelled.value());
        other.async_pop(waits);
        server.thaw();
        run_until(context, [&] { return waits.done(); });
        REQUIRE(waits.value());
        was_on_its_way = waits.value()->deliveries() > static_cast<std::size_t>(i) + 1;
        CHECK_FALSE(finish<>(context, [&](auto done) {
                        other.async_release(*waits.value(), done);
                    }).failed());
    }
    CHECK(was_on_its_way);
    CHECK(one.held() == 0);
    CHECK(statistics(context, one).dead == 0);

    // Behind the cancelled one there may be another.
    asio::cancellation_signal stop;
    const work_item held = pop(context, one);
    popped first, second;
    one.async_pop(asio::bind_cancellation_slot(stop.slot(), first));
    one.async_pop(second);
    context.restart();
    context.poll();
    stop.emit(asio::cancellation_type::terminal);
    CHECK_FALSE(finish<>(context, [&](auto done) { other.async_push("more", done); }).failed());
    run_until(context, [&] { return second.done(); });
    CHECK(first.failed() == asio::error::operation_aborted);
    CHECK(second.value());
}

TEST_CASE("an acknowledgement that was cancelled can be asked for again")
{
    redis_server server;
    asio::io_context context;
    work_stream work{context, at(server), "job", work_stream_options{}};
    seed(context, work, {"thing"});
    const work_item item = pop(context, work);
    asio::cancellation_signal stop;
    kept<> cancelled;
    server.freeze();
    work.async_acknowledge(item, asio::bind_cancellation_slot(stop.slot(), cancelled));
    context.restart();
    context.run_for(20ms);
    stop.emit(asio::cancellation_type::total); // it cannot be taken back
    context.restart();
    context.poll();
    CHECK_FALSE(cancelled.done());
    stop.emit(asio::cancellation_type::terminal);
    run_until(context, [&] { return cancelled.done(); });
    CHECK(cancelled.failed() == asio::error::operation_aborted);
    server.thaw();
    CHECK_FALSE(acknowledge(context, work, item));
    CHECK(acknowledge(context, work, item) == redis_error::taken_over); // it was told
    CHECK(statistics(context, work).acknowledged == 1);
    CHECK(work.held() == 0);
}

TEST_CASE("those who wait are served in order, by one look for all")
{
    redis_server server;
    asio::io_context context;
    work_stream work{context, at(server), "job", work_stream_options{}};
    work_stream source{context, at(server), "job", work_stream_options{}};
    seed(context, source, {}, false);
    seed(context, work, {}, false);
    std::vector<popped> pops(250);
    for (auto& each : pops)
        work.async_pop(each);
    context.restart();
    context.run_for(20ms);
    CHECK_FALSE(finish<>(context, [&](auto done) {
                    source.async_push_all(numbered(pops.size()), done);
                }).failed());
    run_until(context, [&] { return pops.back().done(); });
    const auto items = numbered(pops.size());
    for (std::size_t i = 0; i < pops.size(); ++i) {
        REQUIRE(pops[i].value());
        CHECK(pops[i].value()->payload() == items[i]);
    }
    CHECK(work.held() == pops.size());
}

TEST_CASE("who waits is told when Redis stays away, or refuses")
{
    SECTION("away")
    {
        std::optional<redis_server> server{std::in_place};
        const auto where = at(*server).command_timeout(200ms);
        server.reset();
        asio::io_context context;
        work_stream work{context, where, "job", quick().patience(0ms)};
        const auto end =
            finish<std::optional<work_item>>(context, [&](auto done) { work.async_pop(done); });
        CHECK(end.failed() == redis_error::connect_failed);
        CHECK(work.last_error().find(where.address()) != std::string::npos);
        const auto seeds =
            finish<seeding>(context, [&](auto done) { work.async_seed("job", {}, done); });
        CHECK(seeds.failed() == redis_error::connect_failed);
    }
    SECTION("with a password")
    {
        redis_server server{redis_server::options{}.password("sesame")};
        asio::io_context context;
        work_stream work{context, at(server), "job", quick()};
        CHECK(seed(context, work, {}).first);
        auto wrong = at(server);
        wrong.credentials("", "wrong");
        work_stream refused{context, wrong, "job", quick()};
        const auto end =
            finish<std::optional<work_item>>(context, [&](auto done) { refused.async_pop(done); });
        CHECK(end.failed() == redis_error::authentication_failed);
    }
    SECTION("another kind of key")
    {
        redis_server server;
        asio::io_context context;
        client redis{context, at(server)};
        command(context, redis, {"SET", "{job}:meta", "a text"});
        work_stream work{context, at(server), "job", quick()};
        const auto end =
            finish<std::optional<work_item>>(context, [&](auto done) { work.async_pop(done); });
        CHECK(end.failed() == redis_error::server_error);
        CHECK(work.last_error().find("WRONGTYPE") != std::string::npos);
    }
}

TEST_CASE("nothing outlives a stream or its context")
{
    redis_server server;
    popped waits, destroyed;
    kept<> joins, closes;
    std::optional<work_item> left;
    {
        asio::io_context context;
        std::optional<work_stream> work{std::in_place, context, at(server), "job", quick()};
        seed(context, *work, {"one", "two"});
        left = pop(context, *work);
        const work_item held = pop(context, *work);
        work->async_pop(waits);
        work->async_join(joins);
        work->async_close(closes);
        work.reset();
        run_until(context, [&] { return waits.done() && joins.done() && closes.done(); });
        CHECK(waits.failed() == asio::error::operation_aborted);
        CHECK(joins.failed() == asio::error::operation_aborted);
        CHECK(closes.failed() == asio::error::operation_aborted);
        context.restart();
        context.run(); // nothing is left behind

        auto owner = std::make_shared<work_stream>(context, at(server), "job", quick());
        owner->async_pop(
            [owner, destroyed](headgate::error_code failed, std::optional<work_item> item) {
                destroyed(failed, std::move(item));
            });
        owner->async_statistics([owner](headgate::error_code, work_stream_statistics) {});
        context.restart();
        context.poll();
    }
    CHECK_FALSE(destroyed.done());
    left.reset();
}

TEST_CASE("it can be used from any thread")
{
    redis_server server;
    asio::io_context context;
    work_stream work{context, at(server), "job", work_stream_options{}};
    auto guard = asio::make_work_guard(context);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&] { context.run(); });
    wait_for<seeding>([&](auto done) { work.async_seed("job", {}, done); });
    std::vector<std::thread> users;
    std::atomic<int> acknowledged{0};
    for (int user = 0; user < 3; ++user) {
        users.emplace_back([&] {
            for (int i = 0; i < 50; ++i)
                wait_for<>([&](auto done) { work.async_push("item", done); });
            for (;;) {
                const auto item =
                    wait_for<std::optional<work_item>>([&](auto done) { work.async_pop(done); });
                if (!item)
                    break;
                wait_for<>([&](auto done) { work.async_acknowledge(*item, done); });
                if (++acknowledged == 150)
                    wait_for<>([&](auto done) { work.async_close(done); });
            }
        });
    }
    for (auto& each : users)
        each.join();
    guard.reset();
    context.stop();
    for (auto& each : threads)
        each.join();
    CHECK(acknowledged == 150);
    CHECK(statistics(context, work).acknowledged == 150);
}

TEST_CASE("what cannot be is refused with a reason")
{
    asio::io_context context;
    using Catch::Contains;
    CHECK_THROWS_WITH((work_stream{context, client_options{}, "a{b}"}), Contains("a{b}"));
    CHECK_THROWS_WITH((work_stream{context, client_options{}, ""}), Contains("key"));
    CHECK_THROWS_WITH(work_stream_options{}.visibility(1ms), Contains("visibility is 1 ms"));
    CHECK_THROWS_WITH(work_stream_options{}.keep_finished(1s), Contains("keep_finished"));
    CHECK_THROWS_WITH(work_stream_options{}.max_deliveries(0), Contains("max_deliveries"));
    CHECK_THROWS_WITH(work_stream_options{}.patience(-1ms), Contains("patience is -1 ms"));
    work_stream work{context, client_options{}, "job"};
    const work_item none;
    CHECK_FALSE(none);
    CHECK_THROWS_WITH(work.async_acknowledge(none, kept<>{}), Contains("no item"));
}
