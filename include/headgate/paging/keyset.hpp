#ifndef HEADGATE_PAGING_KEYSET_HPP
#define HEADGATE_PAGING_KEYSET_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/exact_number.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/json_text.hpp>
#include <headgate/detail/key_order.hpp>
#include <headgate/detail/key_value.hpp>
#include <headgate/detail/known_records.hpp>
#include <headgate/detail/page_chain.hpp>
#include <headgate/detail/parameter.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/http/request.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::paging {

/// Paging by the key of the last record, in a list that is sorted by it: `?since_id=1234`.
///
/// The key is sent as it came, a number digit for digit. The end is a page without new records,
/// which behind a full page is asked for twice; a page that comes short is not taken for it. Rows
/// that are put in or taken out while the list is read move nothing.
///
/// The list may be sorted either way, with the parameter that goes with it, such as `since_id` for
/// one that rises and `max_id` for one that falls; the first two keys that differ show which it is.
/// A key that lies on the wrong side of the one before it, on the same page or the one before, ends
/// the run as `outcome_code::loop`: to ask on would give records again and never give others. What
/// is certain not to have come before is delivered. That is judged where keys can only be sorted in
/// one way: numbers of any length, texts of digits and ISO 8601 times; not for other texts, which a
/// server may sort by language, nor for several keys. Of any list, a page that only has records of
/// the one before it, and not the one that was asked by, is a loop.
///
/// A key that several records share, such as a time, may stand on both sides of a page's end. A
/// server that gives what lies behind the key (`>`) then loses records, which no client can see:
/// use it with unique keys only, or with a second parameter for a second key (`then_by`). From a
/// server that gives what is not before the key (`>=`), whatever keys are the same to it, records
/// come again and are dropped; if so many share a key that the list cannot be read on behind them,
/// the run ends as `outcome_code::loop`. What is kept in memory for that is the page before.
class keyset : public detail::page_chain {
public:
    /// Pages of the list that `list` asks for; its method, headers, other parameters and body are
    /// kept.
    /// @param list     the request for the first page
    /// @param pointer  where in a record the key stands, as a JSON Pointer
    /// @param param    the parameter it goes out as; one that begins with a slash is a JSON Pointer
    ///                 into the request's JSON body
    /// @throws std::invalid_argument if one is not a JSON Pointer.
    keyset(http::request list, const std::string& pointer, const std::string& param)
        : page_chain{std::move(list)}
    {
        then_by(pointer, param);
    }

    /// A further key that goes out as well, for a list that is sorted by several.
    keyset& then_by(const std::string& pointer, const std::string& param)
    {
        keys_.push_back({detail::parse_json_pointer(pointer), detail::parameter{param}, {}});
        return *this;
    }

    /// How many records to ask for at once, under that name; left out unless set.
    /// @throws std::invalid_argument if 0.
    keyset& page_size(std::size_t records, const std::string& limit_param = "limit")
    {
        limit_pages(records, limit_param, "keyset");
        return *this;
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    http::request request(const position& where) const
    {
        http::request result = list_request();
        if (!where.name().empty())
            for (const key& each : keys_)
                each.param.set(result, each.last, each.is_number);
        return result;
    }

    kept received(const position& where, const page_content& content)
    {
        return delivered(where, content, take(where, content));
    }

    nlohmann::json receipt(const position& where) const
    {
        nlohmann::json result = chain_receipt(where);
        if (!result.contains("after"))
            return result;
        nlohmann::json& after = result["after"];
        after["keys"] = nlohmann::json::array();
        for (const key& each : keys_)
            after["keys"].push_back({each.last, each.is_number});
        after["longest"] = largest_;
        after["is_full"] = is_last_full_;
        after["last"] = last_page_.json();
        after["order"] = order_.json();
        return result;
    }

    void resume(const nlohmann::json& progress)
    {
        const nlohmann::json after = go_on_behind(progress);
        if (after.is_null())
            return;
        const nlohmann::json& last = after.at("keys");
        for (std::size_t i = 0; i < keys_.size(); ++i) {
            keys_[i].last = last.at(i).at(0).get<std::string>();
            keys_[i].is_number = last.at(i).at(1).get<bool>();
        }
        largest_ = after.at("longest").get<std::size_t>();
        is_last_full_ = after.at("is_full").get<bool>();
        last_page_.resume(after.at("last"));
        order_.resume(after.at("order"));
    }
    /// @}

private:
    kept take(const position& where, const page_content& content)
    {
        const record_range list = content.list();
        if (list.empty()) {
            if (std::exchange(is_last_full_, false))
                return ask_again(where);
            return go_on(where, content, {}, "no records behind the last", 0);
        }
        const std::vector<record_keys> keys = read_keys(list);
        const std::vector<std::size_t> known = last_page_.find(list);
        const kept mine{list.size(), known};
        if (const auto turned = take_order(where, keys, known)) {
            if (repeats(where, content, mine))
                return 0;
            stop_at(turned->mine.count(), outcome_code::loop, turned->reason);
            return turned->mine;
        }
        const bool is_new = where.name().empty() || brings_new(keys, known);
        if (!is_new && !has_name(keys, where.name()))
            return stop_at(0, outcome_code::loop,
                           order_.is_before(keys.front().first, order_.last())
                               ? describe_turn(where, keys.front())
                               : describe_repetition(where));
        largest_ = std::max(largest_, list.size());
        const bool was_last_full = std::exchange(is_last_full_, list.size() == largest_);
        const std::string name = take_keys(list.back());
        if (is_new && name != where.name()) {
            remember(list, keys);
            return go_on(where, content, name, {}, mine);
        }
        // To go on would be to ask for the same page again. If nothing on it is new, or a server
        // that fills its pages has not filled it, it is the last.
        const bool fills_pages = records_a_page() > 0 && largest_ == records_a_page();
        // One record is a whole page too, unless more were asked for.
        const bool is_full = list.size() >= largest_ && (list.size() > 1 || records_a_page() <= 1);
        if (fills_pages ? list.size() < records_a_page() : !is_new && !is_full) {
            if (!is_new && was_last_full && where.number() > 0) {
                is_last_full_ = false;
                return ask_again(where);
            }
            return go_on(where, content, {}, "no records behind the last", mine);
        }
        if (repeats(where, content, mine))
            return 0;
        if (!is_new && keys.front().name != where.name()) // does not know the parameter
            return stop_at(0, outcome_code::loop, describe_repetition(where));
        stop_at(mine.count(), outcome_code::loop,
                "so many records share " + keys_.front().pointer.to_string() + " = " +
                    keys_.front().last.substr(0, 100) +
                    " that the list cannot be read on behind them");
        return mine;
    }

    struct key {
        nlohmann::json::json_pointer pointer;
        detail::parameter param;
        std::string last;
        bool is_number = false;
    };

    /// What a record of a page would be asked by; empty where it lacks a key.
    struct record_keys {
        std::string name;
        detail::key_value first;
    };

    /// A page on which the list does not keep to its order.
    struct disorder {
        std::string reason;
        kept mine;
    };

    std::vector<record_keys> read_keys(const record_range& list) const
    {
        std::vector<record_keys> result;
        result.reserve(list.size());
        for (const record each : list)
            result.push_back(keys_of(each));
        return result;
    }

    /// Reads no more of the record than its keys: that is done for each.
    record_keys keys_of(const record& one) const
    {
        record_keys result;
        for (const key& each : keys_) {
            const std::string_view written = detail::text_at(one.text(), each.pointer);
            if (written.find_first_of("\"-0123456789") != 0)
                return {};
            const auto value = nlohmann::json::parse(written.begin(), written.end());
            std::string text = detail::exact_text(value, written, nlohmann::json::json_pointer{});
            if (text.empty())
                return {};
            result.name += text + '\n';
            if (&each == &keys_.front())
                result.first = {std::move(text), value.is_number()};
        }
        return result;
    }

    /// Looks whether the page goes on in the order of the list. Servers that compare keys less
    /// exactly than they write them give records of the page before again, which has its order.
    std::optional<disorder> take_order(const position& where, const std::vector<record_keys>& keys,
                                       const std::vector<std::size_t>& known)
    {
        if (keys_.size() != 1)
            return std::nullopt;
        const detail::key_value before = order_.last();
        bool is_begun = false;
        auto skip = known.begin();
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (skip != known.end() && *skip == i)
                ++skip;
            else if (!order_.add(keys[i].first))
                return disorder{is_begun ? describe_disorder(where, keys[i])
                                         : describe_turn(where, keys[i]),
                                {keys.size(), doubtful(keys, known, before, i)}};
            else
                is_begun = is_begun || !keys[i].name.empty();
        }
        return std::nullopt;
    }

    /// Which records may have come before, on a page that is not in order from `begin` on.
    std::vector<std::size_t> doubtful(const std::vector<record_keys>& keys,
                                      const std::vector<std::size_t>& known,
                                      const detail::key_value& before, std::size_t begin) const
    {
        if (before.is_none())
            return {}; // the first page
        std::vector<std::size_t> result;
        auto next = known.begin();
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const bool is_known = next != known.end() && *next == i;
            next += is_known ? 1 : 0;
            const bool is_behind = order_.is_before(before, keys[i].first);
            if (is_known || keys[i].name.empty() || (i >= begin && !is_behind))
                result.push_back(i);
        }
        return result;
    }

    /// Whether there are records that were not on the page before. One without a key, such as an
    /// advertisement, says nothing: it may stand on each page.
    static bool brings_new(const std::vector<record_keys>& keys,
                           const std::vector<std::size_t>& known)
    {
        const auto with_key = std::count_if(keys.begin(), keys.end(),
                                            [](const auto& each) { return !each.name.empty(); });
        return static_cast<std::size_t>(with_key) > known.size();
    }

    static bool has_name(const std::vector<record_keys>& keys, const std::string& name)
    {
        return std::any_of(keys.begin(), keys.end(),
                           [&](const auto& each) { return each.name == name; });
    }

    std::string describe_repetition(const position& where) const
    {
        return describe(where) + " repeats page " + std::to_string(where.number()) +
               ", or a part of it, and brings nothing new";
    }

    std::string describe_turn(const position& where, const record_keys& here) const
    {
        return describe(where) + " begins with " + describe_key(here.first) +
               ", but the one before ended with " + shown(order_.last()) +
               ": the list is sorted the other way, or not by that key";
    }

    std::string describe_disorder(const position& where, const record_keys& here) const
    {
        return describe(where) + " has " + describe_key(here.first) + " behind " +
               shown(order_.last()) +
               ", against the order of the list so far: it is not sorted by that key";
    }

    std::string describe_key(const detail::key_value& value) const
    {
        return keys_.front().pointer.to_string() + " = " + shown(value);
    }

    static std::string shown(const detail::key_value& value)
    {
        return detail::shortened(value.text(), 100);
    }

    /// Takes the last record's keys; together they name the next page.
    std::string take_keys(const record& last)
    {
        const nlohmann::json whole = last.json();
        std::string name;
        for (key& each : keys_) {
            each.last = last_key(last, whole, each.pointer);
            each.is_number = whole.at(each.pointer).is_number();
            if (each.last.empty())
                throw std::runtime_error{"the last record has an empty " +
                                         each.pointer.to_string()};
            name += each.last + '\n';
        }
        return name;
    }

    /// The records of this page may come again: which keys are the same to a server, and which come
    /// before others, it alone knows.
    void remember(const record_range& list, const std::vector<record_keys>& keys)
    {
        last_page_.clear();
        for (std::size_t i = 0; i < list.size(); ++i)
            if (!keys[i].name.empty())
                last_page_.add(list[i]);
    }

    std::vector<key> keys_;
    std::size_t largest_ = 0;
    bool is_last_full_ = false; // the page before, and nothing came behind it yet
    detail::known_records last_page_;
    detail::key_order order_;
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
