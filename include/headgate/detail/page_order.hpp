#ifndef HEADGATE_DETAIL_PAGE_ORDER_HPP
#define HEADGATE_DETAIL_PAGE_ORDER_HPP

#include <headgate/detail/config.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Puts pages that come in any order into the order of their numbers. How many wait for those
/// before them is up to the caller.
template <class Page>
class page_order {
public:
    /// Takes a page; one that was to be forgotten, or came already, is dropped.
    void add(std::uint64_t number, Page&& page)
    {
        if (number >= next_)
            waiting_.emplace(number, std::move(page));
    }

    /// The next page in order, if it has come.
    std::optional<Page> next()
    {
        if (waiting_.empty() || waiting_.begin()->first != next_)
            return std::nullopt;
        ++next_;
        return std::move(waiting_.extract(waiting_.begin()).mapped());
    }

    /// Forgets all pages with smaller numbers, also those that will still come.
    void skip_to(std::uint64_t number)
    {
        next_ = number;
        waiting_.erase(waiting_.begin(), waiting_.lower_bound(number));
    }

    /// Forgets all pages that wait for others.
    void clear() noexcept { waiting_.clear(); }

private:
    std::uint64_t next_ = 0;
    std::map<std::uint64_t, Page> waiting_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
