#ifndef HEADGATE_DETAIL_KEY_ORDER_HPP
#define HEADGATE_DETAIL_KEY_ORDER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/key_value.hpp>

#include <nlohmann/json.hpp>

#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Which way the keys of a list run, as the first two show that differ, and whether the others keep
/// to it. Keys that are the same may follow each other, and a record without a key may stand
/// anywhere.
class key_order {
public:
    /// Takes the key that comes next.
    /// @return false if it lies before the one that came last, and was not taken
    bool add(key_value key)
    {
        if (key.is_none())
            return true;
        const int step = key_value::compare(last_, key);
        if (step != 0 && step == -way_)
            return false;
        way_ = step != 0 ? step : way_;
        last_ = std::move(key);
        return true;
    }

    /// Whether a key lies before another in the order of this list.
    bool is_before(const key_value& key, const key_value& other) const
    {
        return way_ != 0 && key_value::compare(key, other) == way_;
    }

    /// What a run that goes on from here has to know, and how it takes that over.
    nlohmann::json json() const
    {
        return {{"way", way_}, {"last", last_.text()}, {"is_number", last_.is_number()}};
    }
    void resume(const nlohmann::json& from)
    {
        way_ = from.at("way").get<int>();
        last_ = key_value{from.at("last").get<std::string>(), from.at("is_number").get<bool>()};
    }

    /// The key that was taken last.
    const key_value& last() const noexcept { return last_; }

private:
    int way_ = 0; // 1 up, -1 down
    key_value last_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
