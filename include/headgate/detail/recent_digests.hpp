#ifndef HEADGATE_DETAIL_RECENT_DIGESTS_HPP
#define HEADGATE_DETAIL_RECENT_DIGESTS_HPP

#include <headgate/detail/config.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

namespace HEADGATE_NAMESPACE::detail {

/// Remembers digests, and with each a number: the last 8,192, and those whose place is a power of
/// two for ever, so that it meets every cycle in the end, however long.
class recent_digests {
public:
    /// The number of a digest that was seen before.
    std::optional<std::uint64_t> find(std::size_t digest) const
    {
        const auto found = numbers_.find(digest);
        return found == numbers_.end() ? std::nullopt : std::optional{found->second};
    }

    void add(std::size_t digest, std::uint64_t number)
    {
        if (!numbers_.emplace(digest, number).second)
            return;
        if (std::has_single_bit(++added_))
            return;
        order_.push_back(digest);
        if (order_.size() > most) {
            numbers_.erase(order_.front());
            order_.pop_front();
        }
    }

    void replace(std::size_t digest, std::uint64_t number) { numbers_[digest] = number; }

private:
    static constexpr std::size_t most = 8192;

    std::uint64_t added_ = 0;
    std::unordered_map<std::size_t, std::uint64_t> numbers_;
    std::deque<std::size_t> order_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
