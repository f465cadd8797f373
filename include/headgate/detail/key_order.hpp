#ifndef HEADGATE_DETAIL_KEY_ORDER_HPP
#define HEADGATE_DETAIL_KEY_ORDER_HPP

#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace headgate::detail {

/// Which way the keys of a list run, as its first page shows, and whether the other pages keep to
/// it. Only whole numbers are judged: how a server sorts anything else is its own affair.
class key_order {
public:
    using pointer = nlohmann::json::json_pointer;

    /// Takes the first page. The list has no order that is known if the keys do not run strictly
    /// one way, or there is only one.
    void learn(const record_range& page, const pointer& key)
    {
        way_ = 0;
        if (page.size() < 2)
            return;
        nlohmann::json before = key_of(page.front(), key);
        for (std::size_t i = 1; i < page.size(); ++i) {
            nlohmann::json here = key_of(page[i], key);
            const int step = compare(before, here);
            if (step == 0 || (i > 1 && step != way_)) {
                way_ = 0;
                return;
            }
            way_ = step;
            before = std::move(here);
        }
    }

    /// Notes the key with which a page has ended.
    void end(const nlohmann::json& last)
    {
        if (way_ != 0)
            last_ = last;
    }

    /// Whether a page that begins so lies before the end of the one that came last. One that begins
    /// with the very key does not.
    bool is_turned(const record& first, const pointer& key) const
    {
        return way_ != 0 && compare(last_, key_of(first, key)) == -way_;
    }

private:
    /// Null if there is none.
    static nlohmann::json key_of(const record& one, const pointer& key)
    {
        const nlohmann::json whole = one.json();
        return whole.contains(key) ? whole.at(key) : nlohmann::json{};
    }

    /// 1 if `b` is greater, -1 if it is less; 0 if they are the same or not both whole numbers of
    /// 64 bits.
    static int compare(const nlohmann::json& a, const nlohmann::json& b)
    {
        if (!a.is_number_integer() || !b.is_number_integer())
            return 0;
        return is_less(a, b) ? 1 : is_less(b, a) ? -1 : 0;
    }

    static bool is_less(const nlohmann::json& a, const nlohmann::json& b)
    {
        return a.is_number_unsigned() ? is_less(a.get<std::uint64_t>(), b)
                                      : is_less(a.get<std::int64_t>(), b);
    }
    template <class Number>
    static bool is_less(Number a, const nlohmann::json& b)
    {
        return b.is_number_unsigned() ? std::cmp_less(a, b.get<std::uint64_t>())
                                      : std::cmp_less(a, b.get<std::int64_t>());
    }

    int way_ = 0; // 1 up, -1 down
    nlohmann::json last_;
};

} // namespace headgate::detail

#endif
