#ifndef HEADGATE_REDIS_DETAIL_LEASE_STOCK_HPP
#define HEADGATE_REDIS_DETAIL_LEASE_STOCK_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Where leased tokens are noted in the windows of the script.
struct lease_source {
    std::string epoch;
    std::vector<std::int64_t> steps; ///< one for each window
};

/// Tokens that are leased and not used yet, those that can be used first in front.
class lease_stock {
public:
    using time = std::chrono::nanoseconds;
    using source = std::shared_ptr<const lease_source>;

    struct lot {
        time from{0};
        time until{0}; ///< the last moment at which they may be used
        std::size_t tokens = 0;
        bool is_probe = false;
        source where;
    };

    std::size_t tokens() const noexcept { return tokens_; }
    bool empty() const noexcept { return lots_.empty(); }
    const lot& front() const noexcept { return lots_.front(); }

    void add(lot what)
    {
        if (what.tokens == 0)
            return;
        tokens_ += what.tokens;
        auto place = lots_.end();
        while (place != lots_.begin() && std::prev(place)->from > what.from)
            --place;
        lots_.insert(place, std::move(what));
    }

    /// When `n` of them can be used together; `time::max()` if there are not so many.
    time due(std::size_t n) const noexcept
    {
        std::size_t found = 0;
        for (std::size_t i = 0; i < lots_.size(); ++i) {
            found += lots_[i].tokens;
            // Those that are of no use by then must not be counted.
            for (std::size_t k = 0; found >= n && k < i; ++k)
                if (lots_[k].until < lots_[i].from)
                    return time::max();
            if (found >= n)
                return lots_[i].from;
        }
        return time::max();
    }

    /// Takes `n` that can be used now: `due(n)` is not later.
    std::vector<lot> take(std::size_t n)
    {
        std::vector<lot> result;
        while (n > 0) {
            lot& first = lots_.front();
            result.push_back(first);
            const std::size_t some = std::min(n, first.tokens);
            result.back().tokens = some;
            first.tokens -= some;
            tokens_ -= some;
            n -= some;
            if (first.tokens == 0)
                lots_.pop_front();
        }
        return result;
    }

    /// Takes out what may not be used any more.
    std::vector<lot> take_expired(time now)
    {
        if (lots_.empty() || lots_.front().until >= now) // in the order of time, but for jumps
            return {};
        return take_if([now](const lot& each) { return each.until < now; });
    }

    /// Takes out all.
    std::vector<lot> take_all()
    {
        return take_if([](const lot&) { return true; });
    }

private:
    template <class Predicate>
    std::vector<lot> take_if(Predicate chosen)
    {
        std::vector<lot> result;
        std::deque<lot> kept;
        for (lot& each : lots_) {
            if (chosen(each)) {
                tokens_ -= each.tokens;
                result.push_back(std::move(each));
            } else {
                kept.push_back(std::move(each));
            }
        }
        lots_ = std::move(kept);
        return result;
    }

    std::deque<lot> lots_;
    std::size_t tokens_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
