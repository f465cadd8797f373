#ifndef HEADGATE_DETAIL_PAGE_BUILDER_HPP
#define HEADGATE_DETAIL_PAGE_BUILDER_HPP

#include <headgate/detail/bounds.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/json_digest.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/page_parser.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Tells how far nlohmann's parser has read.
class read_position {
public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    read_position(const char* at, const char*& furthest) noexcept : at_{at}, furthest_{&furthest} {}

    reference operator*() const noexcept { return *at_; }
    read_position& operator++() noexcept
    {
        *furthest_ = ++at_;
        return *this;
    }
    read_position operator++(int) noexcept
    {
        read_position result{*this};
        ++*this;
        return result;
    }
    friend bool operator==(const read_position& a, const read_position& b) noexcept
    {
        return a.at_ == b.at_;
    }

private:
    const char* at_;
    const char** furthest_;
};

/// Builds a document without its records from what nlohmann's parser finds, and notes where in the
/// text the records are. On the way to them no member may come twice: whichever of the two counted,
/// the records in the other would be lost. Bounds the depth: the parser's own callback could, too,
/// but takes quadratic time for a long array.
class page_builder final : public nlohmann::json_sax<nlohmann::json> {
public:
    using json = nlohmann::json;

    /// @throws unreadable_body, bound_exceeded
    static parsed_page parse(const std::string& text, const json::json_pointer& pointer)
    {
        page_builder builder{text, pointer};
        const char* const begin = text.data();
        json::sax_parse(read_position{begin, builder.read_},
                        read_position{begin + text.size(), builder.read_}, &builder);
        return std::move(builder.result_);
    }

    bool null() override { return add(nullptr, digest_of(nullptr)); }
    bool boolean(bool value) override { return add(value, digest_of(value)); }
    bool number_integer(number_integer_t value) override { return number(value, digest_of(value)); }
    bool number_unsigned(number_unsigned_t value) override
    {
        return number(value, digest_of(value));
    }
    bool number_float(number_float_t value, const string_t& text) override
    {
        return number(value, digest_of_float(text));
    }
    bool string(string_t& value) override
    {
        const std::size_t digest = is_inside_ ? digest_of(value) : 0;
        return add(std::move(value), digest);
    }
    bool binary(binary_t&) override { return false; }

    bool start_object(std::size_t) override
    {
        check_depth();
        if (is_inside_)
            record_.open_object();
        else
            open(json::object());
        return true;
    }

    bool start_array(std::size_t) override
    {
        check_depth();
        if (is_inside_) {
            record_.open_array();
        } else if (is_records()) {
            place(json::array());
            is_inside_ = true;
            end_ = read();
        } else {
            open(json::array());
        }
        return true;
    }

    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override
    {
        if (is_inside_) {
            record_.key(name);
            return true;
        }
        const std::size_t depth = open_.size();
        is_next_ = depth == on_path_ && depth <= path_.size() && path_[depth - 1] == name;
        if (is_next_ && open_.back()->contains(name))
            throw unreadable_body{"the body has " + path_to(depth) + " more than once"};
        member_ = &(*open_.back())[std::move(name)];
        return true;
    }

    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception& error) override
    {
        throw unreadable_body{"the body is not JSON: " + std::string{error.what()}};
    }

private:
    page_builder(const std::string& text, const json::json_pointer& pointer)
        : text_{text}, read_{text.data()}, path_{tokens_of(pointer)}
    {
    }

    /// How many bytes the parser has read.
    std::size_t read() const noexcept { return static_cast<std::size_t>(read_ - text_.data()); }

    template <class Value>
    bool number(Value value, std::size_t digest)
    {
        if (!is_inside_ || !record_.is_closed())
            return add(value, digest);
        // The end of a number is known only by what follows it, which then has been read as well.
        constexpr std::string_view of_numbers = "0123456789+-.eE";
        const bool is_last = of_numbers.find(text_[read() - 1]) != std::string_view::npos;
        finish_record(read() - (is_last ? 0 : 1), digest);
        return true;
    }

    bool add(json&& value, std::size_t digest)
    {
        if (!is_inside_)
            place(std::move(value));
        else if (record_.is_closed())
            finish_record(read(), digest);
        else
            record_.add(digest);
        return true;
    }

    void open(json&& value)
    {
        const bool is_on_path = is_on_path_here();
        open_.push_back(&place(std::move(value)));
        if (is_on_path)
            on_path_ = open_.size();
    }

    bool close()
    {
        if (!is_inside_) {
            open_.pop_back();
            on_path_ = std::min(on_path_, open_.size());
        } else if (record_.is_closed()) {
            is_inside_ = false;
        } else if (const std::size_t digest = record_.close(); record_.is_closed()) {
            finish_record(read(), digest);
        }
        return true;
    }

    void check_depth() const
    {
        if (open_.size() + (is_inside_ ? 1 : 0) + record_.depth() >= most_json_depth)
            throw bound_exceeded{"the body is JSON nested more than " +
                                 std::to_string(most_json_depth) + " deep"};
    }

    /// Between records there are a comma and white space.
    void finish_record(std::size_t end, std::size_t digest)
    {
        const std::size_t begin = text_.find_first_not_of(", \t\r\n", end_);
        add_record(result_.records, {begin, end - begin, digest}, text_.size());
        end_ = end;
    }

    /// Whether what comes now is what the pointer means, or an ancestor of that.
    bool is_on_path_here() const
    {
        const std::size_t depth = open_.size();
        if (on_path_ != depth || depth > path_.size())
            return false;
        if (depth == 0)
            return true;
        const json& parent = *open_.back();
        return parent.is_object() ? is_next_ : path_[depth - 1] == std::to_string(parent.size());
    }

    /// The first so many steps of the pointer.
    std::string path_to(std::size_t depth) const
    {
        json::json_pointer result;
        for (std::size_t i = 0; i < depth; ++i)
            result /= path_[i];
        return result.to_string();
    }

    bool is_records() const { return open_.size() == path_.size() && is_on_path_here(); }

    /// Pointers stay valid: an array only grows while its last element is closed.
    json& place(json&& value)
    {
        if (open_.empty())
            return result_.document = std::move(value);
        if (open_.back()->is_object())
            return *member_ = std::move(value);
        return open_.back()->get_ref<json::array_t&>().emplace_back(std::move(value));
    }

    const std::string& text_;
    const char* read_;
    const std::vector<std::string> path_;
    parsed_page result_;

    std::vector<json*> open_; // what is being built, without the records
    std::size_t on_path_ = 0; // so many of them, from the first on, lie on the path
    json* member_ = nullptr;  // of the innermost, if that is an object,
    bool is_next_ = false;    // and whether it lies on the path

    bool is_inside_ = false; // the array of the records,
    std::size_t end_ = 0;    // of which so much has been read,
    json_digest record_;     // and the one that is being read
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
