#ifndef HEADGATE_DETAIL_PAGE_TAIL_HPP
#define HEADGATE_DETAIL_PAGE_TAIL_HPP

#include <headgate/detail/config.hpp>
#include <headgate/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// How many of the first `most` records are the last of others, as their digests say. In linear
/// time (Knuth, Morris and Pratt), also where the same few records come again and again.
inline std::size_t overlap(const std::vector<std::size_t>& all,
                           const std::vector<std::size_t>& next, std::size_t most)
{
    const std::size_t longest = std::min({all.size(), next.size(), most});
    // For each beginning of `next`, how much of it, short of all, is also its end.
    std::vector<std::size_t> borders(longest);
    const auto grow = [&](std::size_t matched, std::size_t digest) {
        while (matched > 0 && next[matched] != digest)
            matched = borders[matched - 1];
        return matched + (next[matched] == digest ? 1 : 0);
    };
    for (std::size_t i = 1; i < longest; ++i)
        borders[i] = grow(borders[i - 1], next[i]);
    std::size_t result = 0;
    for (std::size_t i = all.size() - longest; i < all.size(); ++i)
        result = grow(result, all[i]);
    return result;
}

/// Adds the digests of records to others.
inline void add_digests(std::vector<std::size_t>& all, const record_range& records)
{
    for (const record each : records)
        all.push_back(each.digest());
}

/// The last pages of a list, as far as it was read. A server that, asked for more than it has,
/// gives its last so many records, has some in the last page that were in those before.
class page_tail {
public:
    /// Takes the digests of `count` records of a page, from `first` on; the pages in any order.
    void add(std::uint64_t begin, const std::vector<std::size_t>& records, std::size_t first,
             std::size_t count)
    {
        const bool is_full = pages_.size() == kept && pages_.count(begin) == 0;
        if (is_full && begin < pages_.begin()->first)
            return;
        // The buffer of the page that is forgotten is used again.
        std::vector<std::size_t> digests;
        if (is_full)
            digests = std::move(pages_.extract(pages_.begin()).mapped());
        const auto from = records.begin() + static_cast<std::ptrdiff_t>(first);
        digests.assign(from, from + static_cast<std::ptrdiff_t>(count));
        pages_.insert_or_assign(begin, std::move(digests));
    }

    /// Where the page begins that has a record.
    std::optional<std::uint64_t> find(std::size_t digest) const
    {
        for (const auto& [begin, records] : pages_)
            if (std::find(records.begin(), records.end(), digest) != records.end())
                return begin;
        return std::nullopt;
    }

    /// Whether all of these records are in pages that begin before that. Only a page whose first
    /// record is there, as that of hardly any is, is worth the time to sort.
    bool has_all_before(std::uint64_t begin, const std::vector<std::size_t>& records) const
    {
        if (records.empty() || find(records.front()).value_or(begin) >= begin)
            return false;
        std::vector<std::size_t> known;
        for (auto page = pages_.begin(); page != pages_.lower_bound(begin); ++page)
            known.insert(known.end(), page->second.begin(), page->second.end());
        std::sort(known.begin(), known.end());
        return std::all_of(records.begin(), records.end(), [&](std::size_t each) {
            return std::binary_search(known.begin(), known.end(), each);
        });
    }

    /// Whether the last page has records that were in those before it.
    bool is_repeated() const
    {
        if (pages_.empty() || !tell_apart())
            return false;
        const std::vector<std::size_t> last = sorted(pages_.rbegin()->second);
        return std::any_of(pages_.begin(), std::prev(pages_.end()), [&](const auto& page) {
            return std::any_of(page.second.begin(), page.second.end(), [&](std::size_t each) {
                return std::binary_search(last.begin(), last.end(), each);
            });
        });
    }

    /// How many records the longest of these pages has.
    std::size_t longest() const
    {
        std::size_t result = 0;
        for (const auto& page : pages_)
            result = std::max(result, page.second.size());
        return result;
    }

    /// Where the last page begins.
    std::uint64_t last() const noexcept { return pages_.empty() ? 0 : pages_.rbegin()->first; }

private:
    static constexpr std::size_t kept = 3;

    static std::vector<std::size_t> sorted(std::vector<std::size_t> records)
    {
        std::sort(records.begin(), records.end());
        return records;
    }

    /// Whether none of these pages has a record twice.
    bool tell_apart() const
    {
        return std::all_of(pages_.begin(), pages_.end(), [](const auto& page) {
            const std::vector<std::size_t> records = sorted(page.second);
            return std::adjacent_find(records.begin(), records.end()) == records.end();
        });
    }

    std::map<std::uint64_t, std::vector<std::size_t>> pages_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
