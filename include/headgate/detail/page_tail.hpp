#ifndef HEADGATE_DETAIL_PAGE_TAIL_HPP
#define HEADGATE_DETAIL_PAGE_TAIL_HPP

#include <headgate/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
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

/// Adds the digests of `count` records, from `first` on, to others.
inline void add_digests(std::vector<std::size_t>& all, const record_range& records,
                        std::size_t first, std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i)
        all.push_back(records[first + i].digest());
}

/// The last pages of a list, as far as it was read. A server that, asked for more than it has,
/// gives its last so many records, has some in the last page that were in those before.
class page_tail {
public:
    /// Takes `count` records of a page, from `first` on; the pages in any order.
    void add(std::uint64_t begin, const record_range& records, std::size_t first, std::size_t count)
    {
        if (pages_.size() == kept && begin < pages_.begin()->first)
            return;
        // The buffer of the page that is forgotten is used again.
        std::vector<std::size_t> digests;
        if (pages_.size() == kept)
            digests = std::move(pages_.extract(pages_.begin()).mapped());
        digests.clear();
        add_digests(digests, records, first, count);
        pages_.insert_or_assign(begin, std::move(digests));
    }

    /// Whether the last page begins with what the one before it ends with, and is no shorter.
    bool is_moved() const
    {
        if (pages_.size() < 2)
            return false;
        const auto& last = pages_.rbegin()->second;
        const auto& before = std::next(pages_.rbegin())->second;
        return last.size() >= before.size() && tells_apart(last) && tells_apart(before) &&
               overlap(before, last, last.size()) > 0;
    }

    /// Whether the last page has records that were in those before it.
    bool is_repeated() const
    {
        if (pages_.empty())
            return false;
        const auto& last = pages_.rbegin()->second;
        return std::any_of(pages_.begin(), std::prev(pages_.end()), [&](const auto& page) {
            return std::find_first_of(page.second.begin(), page.second.end(), last.begin(),
                                      last.end()) != page.second.end();
        });
    }

    /// Where the last page begins.
    std::uint64_t last() const noexcept { return pages_.empty() ? 0 : pages_.rbegin()->first; }

private:
    static constexpr std::size_t kept = 3;

    static bool tells_apart(std::vector<std::size_t> records)
    {
        std::sort(records.begin(), records.end());
        return std::adjacent_find(records.begin(), records.end()) == records.end();
    }

    std::map<std::uint64_t, std::vector<std::size_t>> pages_;
};

} // namespace headgate::detail

#endif
