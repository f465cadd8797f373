#ifndef HEADGATE_DETAIL_KEY_VALUE_HPP
#define HEADGATE_DETAIL_KEY_VALUE_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// -1, 0 or 1.
inline int sign_of(std::strong_ordering order) noexcept
{
    return order < 0 ? -1 : order > 0 ? 1 : 0;
}

/// A number of any length and precision, as JSON writes it.
class decimal {
public:
    /// Nothing if its exponent is out of all bounds.
    static std::optional<decimal> read(std::string_view text)
    {
        decimal result;
        const bool is_negative = text.substr(0, 1) == "-";
        text.remove_prefix(is_negative ? 1 : 0);
        const std::size_t e = std::min(text.find_first_of("eE"), text.size());
        std::int32_t exponent = 0;
        if (e < text.size()) {
            const std::size_t plus = text.substr(e + 1, 1) == "+" ? 1 : 0;
            const char* const end = text.data() + text.size();
            const auto [stop, failed] = std::from_chars(text.data() + e + 1 + plus, end, exponent);
            if (failed != std::errc{} || stop != end)
                return std::nullopt;
        }
        const std::string_view mantissa = text.substr(0, e);
        const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
        result.digits_ = mantissa.substr(0, point);
        result.digits_ += mantissa.substr(std::min(point + 1, mantissa.size()));
        const std::size_t zeros =
            std::min(result.digits_.find_first_not_of('0'), result.digits_.size());
        result.digits_.erase(0, zeros);
        result.digits_.erase(result.digits_.find_last_not_of('0') + 1);
        result.sign_ = result.digits_.empty() ? 0 : is_negative ? -1 : 1;
        result.magnitude_ = std::int64_t{exponent} + static_cast<std::int64_t>(point) -
                            static_cast<std::int64_t>(zeros);
        return result;
    }

    /// 1 if `b` is greater, -1 if it is less.
    static int compare(const decimal& a, const decimal& b)
    {
        if (a.sign_ != b.sign_)
            return a.sign_ < b.sign_ ? 1 : -1;
        if (a.magnitude_ != b.magnitude_)
            return a.magnitude_ < b.magnitude_ ? a.sign_ : -a.sign_;
        return a.sign_ * sign_of(b.digits_ <=> a.digits_);
    }

private:
    int sign_ = 0;
    std::string digits_; // behind the point, without zeros at either end
    std::int64_t magnitude_ = 0;
};

/// A time as ISO 8601 writes it, such as 2024-05-01T12:30:00.5Z, in parts that can be compared as
/// text. Of one without a zone only the day is known for certain: where clocks are put back, an
/// hour comes twice.
class iso_time {
public:
    static std::optional<iso_time> read(std::string_view text)
    {
        constexpr std::size_t day = 10;
        if (!begins_like(text, "0000-00-00"))
            return std::nullopt;
        iso_time result;
        result.whole_ = text.substr(0, day);
        std::string_view rest = text.substr(day);
        if (rest.empty())
            return result;
        if (std::string_view{"Tt "}.find(rest.front()) == std::string_view::npos ||
            !begins_like(rest.substr(1), "00:00"))
            return std::nullopt;
        const std::size_t seconds = begins_like(rest.substr(6), ":00") ? 3 : 0;
        rest.remove_prefix(6 + seconds);
        const std::string_view whole = text.substr(0, text.size() - rest.size());
        std::string_view fraction;
        if (!rest.empty() && (rest.front() == '.' || rest.front() == ',')) {
            const std::size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
            fraction = rest.substr(1, end - 1);
            rest.remove_prefix(end);
        }
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        if (is_zone(rest)) {
            result.whole_ = whole;
            result.fraction_ = fraction.substr(0, fraction.find_last_not_of('0') + 1);
            result.zone_ = rest;
        }
        return result;
    }

    /// 1 if `b` is later, -1 if it is earlier; 0 if they are the same or written in other ways.
    static int compare(const iso_time& a, const iso_time& b)
    {
        if (a.zone_ != b.zone_ || a.whole_.size() != b.whole_.size())
            return 0;
        const int whole = sign_of(b.whole_ <=> a.whole_);
        return whole != 0 ? whole : sign_of(b.fraction_ <=> a.fraction_);
    }

private:
    static bool begins_like(std::string_view text, std::string_view form) noexcept
    {
        return text.size() >= form.size() &&
               std::equal(form.begin(), form.end(), text.begin(), [](char wanted, char here) {
                   return wanted == '0' ? here >= '0' && here <= '9' : here == wanted;
               });
    }

    static bool is_zone(std::string_view text) noexcept
    {
        if (text == "Z" || text == "z" || text == "UTC" || text == "GMT")
            return true;
        return (begins_like(text, "+00") || begins_like(text, "-00")) &&
               text.find_first_not_of("0123456789:", 1) == std::string_view::npos;
    }

    std::string_view whole_; // seconds, or what there is of them
    std::string_view fraction_;
    std::string_view zone_;
};

/// A key of a record as it is sent back, with what is certain of its place in the order of a list,
/// however the server sorts. Numbers are sorted as such. A text may be sorted byte by byte, by
/// language, without regard to case, or by what it means; so only two of digits, or two times, have
/// an order, and only where what they mean and what they look like have the same.
class key_value {
public:
    key_value() = default;
    key_value(std::string text, bool is_number) : text_{std::move(text)}, is_number_{is_number} {}

    bool is_none() const noexcept { return text_.empty(); }
    const std::string& text() const noexcept { return text_; }
    bool is_number() const noexcept { return is_number_; }

    /// 1 if `b` is greater, -1 if it is less; 0 if they are the same or that is not certain.
    static int compare(const key_value& a, const key_value& b)
    {
        if (a.is_none() || b.is_none() || a.is_number_ != b.is_number_)
            return 0;
        if (a.is_number_)
            return compare_as<decimal>(a.text_, b.text_);
        const int meaning = are_digits(a.text_) && are_digits(b.text_)
                                ? compare_as<decimal>(a.text_, b.text_)
                                : compare_as<iso_time>(a.text_, b.text_);
        return meaning == sign_of(b.text_ <=> a.text_) ? meaning : 0;
    }

private:
    template <class Value>
    static int compare_as(const std::string& a, const std::string& b)
    {
        const auto first = Value::read(a);
        const auto second = Value::read(b);
        return first && second ? Value::compare(*first, *second) : 0;
    }

    static bool are_digits(std::string_view text) noexcept
    {
        return text.find_first_not_of("0123456789") == std::string_view::npos;
    }

    std::string text_;
    bool is_number_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
