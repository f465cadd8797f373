// What the flow layer allocates: once warm nothing per token, item, place or page, but for the
// memory of operations that wait, which comes from the handler's associated allocator or, without
// one, from Asio's recycling one, which keeps two blocks in each thread.
#include <headgate/async_limiter.hpp>
#include <headgate/result_channel.hpp>
#include <headgate/work_queue.hpp>

#include "support/run.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

using namespace std::chrono_literals;
using headgate::async_limiter;
using headgate::limit;

namespace {

std::atomic<std::size_t> allocations{0};

void* counted(std::size_t size)
{
    ++allocations;
    if (void* const memory = std::malloc(size))
        return memory;
    throw std::bad_alloc{};
}

void* counted(std::size_t size, std::align_val_t alignment)
{
    ++allocations;
    const auto unit = static_cast<std::size_t>(alignment);
    if (void* const memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit))
        return memory;
    throw std::bad_alloc{};
}

} // namespace

void* operator new(std::size_t size)
{
    return counted(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept
{
    ++allocations;
    return std::malloc(size);
}
void* operator new(std::size_t size, std::align_val_t alignment)
{
    return counted(size, alignment);
}
void operator delete(void* memory) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept
{
    std::free(memory);
}

namespace {

constexpr int pages = 1000;

/// How often memory is allocated in the second half of a loop.
class second_half {
public:
    void at(int i)
    {
        if (i == pages / 2)
            before_ = allocations;
        if (i == pages - 1)
            after_ = allocations;
    }
    std::size_t allocated() const { return after_ - before_; }

private:
    std::size_t before_ = 0;
    std::size_t after_ = 1;
};

/// Memory for operations that is not taken from the heap, one block for each at a time.
class arena {
public:
    void* allocate(std::size_t size)
    {
        REQUIRE(size <= sizeof(block));
        for (block& each : blocks_) {
            if (!each.taken) {
                each.taken = true;
                ++taken_;
                return each.memory.data();
            }
        }
        throw std::bad_alloc{};
    }
    void deallocate(void* memory)
    {
        for (block& each : blocks_) {
            if (memory == each.memory.data())
                each.taken = false;
        }
    }
    std::size_t taken() const { return taken_; }

private:
    struct block {
        alignas(std::max_align_t) std::array<std::byte, 1024> memory;
        bool taken = false;
    };
    std::array<block, 2> blocks_;
    std::size_t taken_ = 0;
};

template <class T>
class arena_allocator {
public:
    using value_type = T;

    explicit arena_allocator(arena& from) : arena_{&from} {}
    template <class U>
    arena_allocator(const arena_allocator<U>& other) : arena_{other.from()}
    {
    }

    T* allocate(std::size_t n) const { return static_cast<T*>(arena_->allocate(n * sizeof(T))); }
    void deallocate(T* memory, std::size_t) const { arena_->deallocate(memory); }
    arena* from() const { return arena_; }
    friend bool operator==(const arena_allocator&, const arena_allocator&) = default;

private:
    arena* arena_;
};

} // namespace

TEST_CASE("tokens that are there cost no allocation")
{
    asio::io_context context;
    for (const limit& each : {limit::bucket(1'000'000, 1s, 1'000'000), limit::paced(1'000'000, 1s),
                              limit::window(100, 100us)}) {
        async_limiter limiter{context, each};
        second_half counted;
        for (int i = 0; i < pages;) {
            if (!limiter.try_acquire())
                continue;
            counted.at(i++);
        }
        CHECK(counted.allocated() == 0);
    }
}

TEST_CASE("permits that are given back cost no allocation")
{
    asio::io_context context;
    async_limiter limiter{context, limit::bucket(1'000'000, 1s, 1'000'000)};
    second_half counted;
    for (int i = 0; i < pages; ++i) {
        auto first = limiter.try_acquire_permit();
        auto second = limiter.try_acquire_permit();
        REQUIRE(first);
        REQUIRE(second);
        second->commit();
        counted.at(i);
    }
    CHECK(counted.allocated() == 0);
}

TEST_CASE("waiting for a token costs no allocation")
{
    asio::io_context context;
    async_limiter limiter{context, limit::paced(1'000'000, 1s)};
    second_half counted;
    auto coroutine = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < pages; ++i) {
            co_await limiter.async_acquire(asio::use_awaitable);
            counted.at(i);
        }
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
    CHECK(counted.allocated() == 0);
}

TEST_CASE("handing over an item costs no allocation, whoever waits")
{
    asio::io_context context;
    headgate::work_queue<int> queue{context, 1};
    second_half counted;
    auto producer = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < pages; ++i)
            co_await queue.async_push(i, asio::use_awaitable);
        queue.close();
    };
    auto consumer = [&]() -> asio::awaitable<void> {
        while (const auto item = co_await queue.async_pop(asio::use_awaitable))
            counted.at(*item);
    };
    asio::co_spawn(context, producer, support::rethrow);
    asio::co_spawn(context, consumer, support::rethrow);
    context.run();
    CHECK(counted.allocated() == 0);
}

TEST_CASE("a page on its way through the flow layer costs no allocation")
{
    // Whether it waits must not depend on how fast the machine is: at times it would wait for the
    // first time when all is taken to be warm.
    const auto rate = GENERATE(limit::bucket(1'000, 1s, pages), limit::paced(10'000, 1s));
    asio::io_context context;
    async_limiter limiter{context, rate};
    headgate::work_queue<int> queue{context, 4};
    headgate::result_channel<int> channel{context, 4};
    second_half counted;
    auto producer = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < pages; ++i) {
            if (!queue.try_push(i))
                co_await queue.async_push(i, asio::use_awaitable);
        }
        queue.close();
    };
    auto worker = [&]() -> asio::awaitable<void> {
        for (;;) {
            auto place = co_await channel.async_reserve(asio::use_awaitable);
            auto item = co_await queue.async_pop(asio::use_awaitable);
            if (!item)
                break;
            auto permit = co_await limiter.async_acquire_permit(1, asio::use_awaitable);
            permit.commit();
            place.send(std::move(*item));
        }
        channel.close();
    };
    auto caller = [&]() -> asio::awaitable<void> {
        while (const auto result = co_await channel.async_receive(asio::use_awaitable))
            counted.at(*result);
    };
    asio::co_spawn(context, producer, support::rethrow);
    asio::co_spawn(context, worker, support::rethrow);
    asio::co_spawn(context, caller, support::rethrow);
    context.run();
    CHECK(counted.allocated() == 0);
}

TEST_CASE("operations that wait live in the memory of their handlers")
{
    asio::io_context context;
    async_limiter limiter{context, limit::paced(10'000, 1s)};
    std::vector<arena> arenas(16);
    second_half counted;
    int granted = 0;
    struct handler {
        using allocator_type = arena_allocator<void>;

        async_limiter& limiter;
        arena& memory;
        second_half& counted;
        int& granted;

        allocator_type get_allocator() const { return allocator_type{memory}; }
        void operator()(headgate::error_code failed) const
        {
            REQUIRE_FALSE(failed);
            counted.at(granted++);
            if (granted + 15 < pages)
                limiter.async_acquire(*this);
        }
    };
    for (arena& each : arenas)
        limiter.async_acquire(handler{limiter, each, counted, granted});
    context.run();
    CHECK(granted >= pages);
    CHECK(counted.allocated() == 0);
    for (const arena& each : arenas)
        CHECK(each.taken() > 0);
}
