#ifndef HEADGATE_DETAIL_HEADER_READER_HPP
#define HEADGATE_DETAIL_HEADER_READER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/http/response.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Makes header fields of the lines that libcurl's header callback gets, and keeps those of the
/// final answer: not those of a 1xx or of a proxy before it, nor trailers. libcurl keeps them as
/// well, but counts namesakes as it tells them, comparing each with all.
class header_reader {
public:
    /// A line with its end. What it is shows from its place only: a status line begins the fields
    /// of an answer, an empty one ends them.
    void line(std::string_view text)
    {
        const bool end = text.empty() || text.front() == '\r' || text.front() == '\n';
        while (!text.empty() && is_space(text.back()))
            text.remove_suffix(1);
        if (!open_) {
            if (!body_ && text.starts_with("HTTP/"))
                begin();
        } else if (end) {
            open_ = false;
        } else if (text.empty() || is_blank(text.front())) {
            fold(text);
        } else {
            const auto colon = std::min(text.find(':'), text.size());
            std::string_view value = text.substr(std::min(colon + 1, text.size()));
            while (!value.empty() && is_blank(value.front()))
                value.remove_prefix(1);
            fields_.emplace_back(text.substr(0, colon), value);
        }
    }

    /// The body begins: only trailers can follow.
    void body() noexcept
    {
        body_ = true;
        open_ = false;
    }

    /// The fields of the final answer; makes ready for the next.
    http::response::fields take()
    {
        usual_ = std::clamp<std::size_t>(fields_.size(), 8, 64);
        open_ = body_ = false;
        return std::exchange(fields_, {});
    }

private:
    static bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
    static bool is_space(char c) noexcept { return is_blank(c) || (c >= '\n' && c <= '\r'); }

    void begin()
    {
        fields_.clear();
        fields_.reserve(usual_);
        open_ = true;
    }

    /// A line that begins with a blank goes on with the field before (RFC 9112, section 5.2).
    void fold(std::string_view text)
    {
        while (text.size() > 1 && is_blank(text[1]))
            text.remove_prefix(1);
        if (!fields_.empty())
            fields_.back().second += text;
    }

    http::response::fields fields_;
    std::size_t usual_ = 8; ///< how many there were the last time, for memory that suffices
    bool open_ = false;
    bool body_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
