#ifndef HEADGATE_PAGING_KEYSET_HPP
#define HEADGATE_PAGING_KEYSET_HPP

#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/key_order.hpp>
#include <headgate/detail/known_records.hpp>
#include <headgate/detail/page_chain.hpp>
#include <headgate/detail/parameter.hpp>
#include <headgate/http/request.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace headgate::paging {

/// Paging by the key of the last record, in a list that is sorted by it: `?since_id=1234`.
///
/// The key is sent as it came, a number digit for digit. The end is a page without new records,
/// which behind a full page is asked for twice; a page that comes short is not taken for it. Rows
/// that are put in or taken out while the list is read move nothing.
///
/// The list may be sorted either way, with the parameter that goes with it, such as `since_id` for
/// one that rises and `max_id` for one that falls. A page that begins on the wrong side of where
/// the one before ended ends as `outcome_code::loop` if the key is a whole number and the first
/// page shows which way it runs. The order of other keys, and of several, is not checked.
///
/// A key that several records share, such as a time, may stand on both sides of a page's end. A
/// server that gives what lies behind the key (`>`) then loses records, which no client can see:
/// use it with unique keys only, or with a second parameter for a second key (`then_by`). From a
/// server that gives what is not before the key (`>=`) the records at the boundary come again and
/// are dropped; if so many share a key that the list cannot be read on behind them, the run ends as
/// `outcome_code::loop`.
class keyset : public detail::page_chain {
public:
    /// Pages of the list that `list` asks for; its method, headers, other parameters and body are
    /// kept.
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
        const record_range list = content.list();
        if (list.empty()) {
            if (std::exchange(is_last_full_, false))
                return ask_again(where);
            return go_on(where, content, {}, "no records behind the last", 0);
        }
        const kept mine{list.size(), boundary_.find(list)};
        if (is_turned(where, list)) {
            if (!repeats(where, content, mine))
                stop_at(0, outcome_code::loop, describe(where) + turned(list));
            return 0;
        }
        largest_ = std::max(largest_, list.size());
        is_last_full_ = list.size() == largest_;
        const nlohmann::json last = list.back().json();
        const std::string name = name_of(list.back(), last);
        learn_order(where, list, last);
        if (name != where.name()) {
            remember_boundary(list, last);
            return go_on(where, content, name, {}, mine);
        }
        // To go on would be to ask for the same page again. If nothing on it is new, or a server
        // that fills its pages has not filled it, it is the last.
        const bool fills_pages = records_a_page() > 0 && largest_ == records_a_page();
        // One record is a whole page too, unless more were asked for.
        const bool is_full = list.size() >= largest_ && (list.size() > 1 || records_a_page() <= 1);
        if (fills_pages ? list.size() < records_a_page() : mine.count() == 0 && !is_full)
            return go_on(where, content, {}, "no records behind the last", mine);
        if (repeats(where, content, mine)) // a server that does not know the parameter
            return 0;
        stop_at(mine.count(), outcome_code::loop,
                "so many records share " + keys_.front().pointer.to_string() + " = " +
                    keys_.front().last.substr(0, 100) +
                    " that the list cannot be read on behind them");
        return mine;
    }

private:
    struct key {
        nlohmann::json::json_pointer pointer;
        detail::parameter param;
        std::string last;
        bool is_number = false;
    };

    /// Whether a page lies on the wrong side of the one before, as one does of a list that is
    /// sorted the other way round: to ask on would give the same records again, and never the rest.
    bool is_turned(const position& where, const record_range& list) const
    {
        return !where.name().empty() && keys_.size() == 1 &&
               order_.is_turned(list.front(), keys_.front().pointer);
    }

    std::string turned(const record_range& list) const
    {
        const key& only = keys_.front();
        return " begins with " + only.pointer.to_string() + " = " +
               list.front().at(only.pointer).dump() + ", but the one before ended with " +
               only.last + ": the list is sorted the other way, or not by that key";
    }

    void learn_order(const position& where, const record_range& list, const nlohmann::json& last)
    {
        if (keys_.size() != 1)
            return;
        if (where.name().empty())
            order_.learn(list, keys_.front().pointer);
        order_.end(last.at(keys_.front().pointer));
    }

    /// Takes the last record's keys; together they name the next page.
    std::string name_of(const record& last, const nlohmann::json& whole)
    {
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

    /// The records that share all the last one's keys may come again.
    void remember_boundary(const record_range& list, const nlohmann::json& last)
    {
        boundary_.clear();
        for (std::size_t i = list.size(); i > 0 && has_keys_of(last, list[i - 1].json()); --i)
            boundary_.add(list[i - 1]);
    }

    bool has_keys_of(const nlohmann::json& last, const nlohmann::json& other) const
    {
        return std::all_of(keys_.begin(), keys_.end(), [&](const key& each) {
            return other.contains(each.pointer) && other.at(each.pointer) == last.at(each.pointer);
        });
    }

    std::vector<key> keys_;
    std::size_t largest_ = 0;
    bool is_last_full_ = false; // the page before, and nothing came behind it yet
    detail::known_records boundary_;
    detail::key_order order_;
};

} // namespace headgate::paging

#endif
