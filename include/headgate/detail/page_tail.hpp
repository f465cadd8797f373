#ifndef HEADGATE_DETAIL_PAGE_TAIL_HPP
#define HEADGATE_DETAIL_PAGE_TAIL_HPP

#include <headgate/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace headgate::detail {

/// How many of the first `most` records are the last of others, as their digests say.
inline std::size_t overlap(const std::vector<std::size_t>& all,
                           const std::vector<std::size_t>& next, std::size_t most)
{
    for (std::size_t count = std::min({all.size(), next.size(), most}); count > 0; --count)
        if (std::equal(all.end() - static_cast<std::ptrdiff_t>(count), all.end(), next.begin()))
            return count;
    return 0;
}

/// Adds the digests of records to others.
inline void add_digests(std::vector<std::size_t>& all, const record_range& records)
{
    for (const record each : records)
        all.push_back(each.digest());
}

/// The last two pages of a list, as far as it was read. A server that, asked for more than it has,
/// gives its last so many records begins the last page with some that were in the one before.
class page_tail {
public:
    /// Takes a page, in any order.
    void add(std::uint64_t begin, const record_range& records)
    {
        if (!last_.records.empty() && begin < last_.begin) {
            if (before_.records.empty() || begin >= before_.begin)
                before_.assign(begin, records);
            return;
        }
        if (begin > last_.begin)
            std::swap(last_, before_);
        last_.assign(begin, records);
    }

    /// How many of the last page's first records are the last of the page before it.
    std::size_t overlap() const
    {
        return detail::overlap(before_.records, last_.records, last_.records.size());
    }

    /// Where the last page begins.
    std::uint64_t last() const noexcept { return last_.begin; }

private:
    struct page {
        void assign(std::uint64_t at, const record_range& from)
        {
            begin = at;
            records.clear();
            add_digests(records, from);
        }

        std::uint64_t begin = 0;
        std::vector<std::size_t> records;
    };

    page last_;
    page before_;
};

} // namespace headgate::detail

#endif
