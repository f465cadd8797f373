#ifndef HEADGATE_REDIS_WORK_ITEM_HPP
#define HEADGATE_REDIS_WORK_ITEM_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE {

namespace detail {

/// Where a work item is from: a work stream of any executor.
class work_source {
public:
    /// The item's holder has dropped it. Does nothing if it was acknowledged, given back or lost.
    virtual void give_up(const std::string& id, std::size_t deliveries) noexcept = 0;

protected:
    ~work_source() = default;
};

} // namespace detail

namespace redis {

/// An item of shared work that was handed out to this process.
///
/// As long as it lives, and its `work_stream` and the event loop do, nobody else gets the item. One
/// that is destroyed without having been acknowledged or given back is handed out again, to this
/// process or another, as if it had failed: `async_fail` says the same with a reason.
/// Movable; may outlive its stream. Not safe to share between threads.
class work_item {
public:
    /// No item at all.
    work_item() = default;
    /// For work streams.
    work_item(std::weak_ptr<detail::work_source> source, std::string id, std::size_t deliveries,
              std::string payload) noexcept
        : source_{std::move(source)},
          id_{std::move(id)},
          payload_{std::move(payload)},
          deliveries_{deliveries}
    {
    }
    /// Takes over the item; the other has none left.
    work_item(work_item&& other) noexcept
        : source_{std::move(other.source_)},
          id_{std::move(other.id_)},
          payload_{std::move(other.payload_)},
          deliveries_{std::exchange(other.deliveries_, 0)}
    {
    }
    /// Drops what this one held, as its destructor does, and takes over the other.
    work_item& operator=(work_item&& other) noexcept
    {
        if (this != &other) {
            drop();
            source_ = std::move(other.source_);
            id_ = std::move(other.id_);
            payload_ = std::move(other.payload_);
            deliveries_ = std::exchange(other.deliveries_, 0);
        }
        return *this;
    }
    ~work_item() { drop(); }

    /// Whether there is an item in it. It says nothing of whether it was taken over meanwhile.
    explicit operator bool() const noexcept { return deliveries_ > 0; }

    /// Its name in the stream; the same whoever gets it.
    const std::string& id() const noexcept { return id_; }
    /// What was pushed, or what `async_update` has put in its place before it was handed out.
    const std::string& payload() const noexcept { return payload_; }
    /// How often it was handed out, this time included.
    std::size_t deliveries() const noexcept { return deliveries_; }

private:
    void drop() noexcept
    {
        if (deliveries_ == 0)
            return;
        if (const auto source = source_.lock())
            source->give_up(id_, deliveries_);
    }

    std::weak_ptr<detail::work_source> source_;
    std::string id_;
    std::string payload_;
    std::size_t deliveries_ = 0;
};

} // namespace redis

} // namespace HEADGATE_NAMESPACE

#endif
