#ifndef HEADGATE_DETAIL_PRINTABLE_HPP
#define HEADGATE_DETAIL_PRINTABLE_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Text of which no more than `longest` bytes are kept, and dots if there were more.
inline std::string shortened(std::string text, std::size_t longest)
{
    if (text.size() > longest) {
        text.resize(longest);
        text += "...";
    }
    return text;
}

/// How much of a URL a message shows: what it has to say of it comes behind.
inline constexpr std::size_t longest_shown_url = 200;

/// Text from outside made fit for one line of a terminal or a log.
inline std::string printable(std::string text)
{
    text = shortened(std::move(text), 500);
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
    return text;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
