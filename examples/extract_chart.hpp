#ifndef EXTRACT_CHART_HPP
#define EXTRACT_CHART_HPP

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Text from outside as text of a page: no markup, no control characters, valid UTF-8.
inline std::string html(const std::string& text)
{
    using on_bad_text = nlohmann::json::error_handler_t;
    const std::string valid =
        nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, on_bad_text::replace))
            .get<std::string>();
    std::string result;
    for (const char c : valid) {
        switch (c) {
        case '&':
            result += "&amp;";
            break;
        case '<':
            result += "&lt;";
            break;
        case '>':
            result += "&gt;";
            break;
        case '"':
            result += "&quot;";
            break;
        case '\'':
            result += "&#39;";
            break;
        default:
            result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
        }
    }
    return result;
}

/// JSON as the text of a script element, which no text in it can end.
inline std::string script_json(const nlohmann::ordered_json& value)
{
    using on_bad_text = nlohmann::ordered_json::error_handler_t;
    std::string result;
    for (const char c : value.dump(-1, ' ', true, on_bad_text::replace)) {
        if (c == '<')
            result += "\\u003c";
        else
            result += c;
    }
    return result;
}

/// A number with no more digits than say something.
inline std::string number_text(double value)
{
    char text[40];
    std::snprintf(text, sizeof text, std::abs(value) >= 100 ? "%.0f" : "%.3g", value);
    return text;
}

/// "1 234 567", with thin spaces.
inline std::string grouped(std::uint64_t value)
{
    std::string text = std::to_string(value);
    for (std::size_t place = text.size(); place > 3;)
        text.insert(place -= 3, "\u202f");
    return text;
}

/// Seconds as a person says them: "250 ms", "3.5 s", "1:02:03".
inline std::string time_text(double seconds)
{
    if (seconds > 0 && seconds < 0.9995)
        return number_text(seconds * 1000) + " ms";
    if (seconds < 60)
        return number_text(seconds) + " s";
    const auto whole = static_cast<unsigned long long>(std::llround(seconds));
    char text[40];
    if (whole < 3600)
        std::snprintf(text, sizeof text, "%llu:%02llu min", whole / 60, whole % 60);
    else
        std::snprintf(text, sizeof text, "%llu:%02llu:%02llu h", whole / 3600, whole / 60 % 60,
                      whole % 60);
    return text;
}

/// One line, area or row of bars of a chart. A value that is no number is a gap.
struct chart_series {
    std::string name;
    std::string style; ///< a class of the page's style sheet: its colour
    enum class kind { line, area, bars } type = kind::line;
    std::vector<double> values;
};

/// A chart over time. The curves are SVG that is stretched to the width there is, the labels text
/// that is not.
class chart {
public:
    /// @param seconds  how long the run was
    /// @param interval of a value, in seconds
    chart(std::string title, double seconds, double interval)
        : title_{std::move(title)}, seconds_{seconds}, interval_{interval}
    {
    }

    chart& add(chart_series one)
    {
        series_.push_back(std::move(one));
        return *this;
    }
    /// Shares of each interval, from 0 to 1, that are marked from top to bottom.
    chart& mark(std::string name, std::vector<double> shares)
    {
        marks_name_ = std::move(name);
        marks_ = std::move(shares);
        return *this;
    }
    /// How a value is written at the axis; as a number unless set.
    chart& labels(std::string (*text)(double))
    {
        label_ = text;
        return *this;
    }
    /// Each label ten times the one below.
    chart& logarithmic()
    {
        logarithmic_ = true;
        return *this;
    }

    std::string str() const
    {
        const scale values = make_scale();
        std::string result = "<figure><figcaption><b>" + html(title_) + "</b>" + legend() +
                             "</figcaption><div class=\"plot\"><svg viewBox=\"0 0 1000 100\" "
                             "preserveAspectRatio=\"none\" aria-hidden=\"true\">";
        for (const double tick : values.ticks)
            result += line_at(values.place(tick));
        result += marks();
        std::vector<double> below; // of bars, which stand on each other
        for (const chart_series& each : series_)
            result += each.type == chart_series::kind::bars ? bars(each, values, below)
                                                            : curve(each, values);
        result += "</svg><i class=\"hair\"></i>";
        for (const double tick : values.ticks)
            result += "<span class=\"y\" style=\"top:" + fixed(values.place(tick)) + "%\">" +
                      html(label_(tick)) + "</span>";
        return result + time_axis() + "</div></figure>\n";
    }

private:
    struct scale {
        double least = 0;
        double most = 1;
        bool logarithmic = false;
        std::vector<double> ticks;

        /// From the top, as a share of 100.
        double place(double value) const
        {
            const double share =
                logarithmic ? std::log(std::max(value, least) / least) / std::log(most / least)
                            : (value - least) / (most - least);
            return 100 - 100 * std::clamp(share, 0.0, 1.0);
        }
    };

    static std::string fixed(double value)
    {
        char text[40];
        std::snprintf(text, sizeof text, "%.2f", value);
        return text;
    }

    static std::string line_at(double y)
    {
        return "<path class=\"grid\" d=\"M0 " + fixed(y) + "H1000\"/>";
    }

    double x(std::size_t index) const
    {
        return std::min(1000.0, static_cast<double>(index) * interval_ / seconds_ * 1000);
    }

    scale make_scale() const
    {
        scale result;
        double most = 0;
        double least = 0;
        std::vector<double> below;
        for (const chart_series& each : series_)
            for (std::size_t i = 0; i < each.values.size(); ++i) {
                const bool on_others = each.type == chart_series::kind::bars;
                const double value = on_others ? stack(below, i, each.values[i]) : each.values[i];
                if (value > 0) {
                    most = std::max(most, value);
                    least = least > 0 ? std::min(least, value) : value;
                }
            }
        if (most <= 0)
            most = 1;
        if (logarithmic_ && least > 0 && most > 20 * least) {
            result.logarithmic = true;
            result.least = std::pow(10, std::floor(std::log10(std::max(least, most / 1e6))));
            result.most = std::pow(10, std::ceil(std::log10(most) - 1e-9));
            for (double tick = result.least; tick < result.most * 1.01; tick *= 10)
                result.ticks.push_back(tick);
            return result;
        }
        const double step = nice_step(most / 4);
        for (double tick = 0; tick < most * 1.0001 + step; tick += step)
            result.ticks.push_back(tick);
        result.most = result.ticks.back();
        return result;
    }

    double nice_step(double least) const
    {
        const double power = std::pow(10, std::floor(std::log10(least)));
        for (const double factor : {1.0, 2.0, 5.0})
            if (factor * power >= least * 0.999 && (label_ != number_text || factor * power >= 1))
                return factor * power;
        return std::max(10 * power, label_ == number_text ? 1.0 : 0.0);
    }

    /// A line that keeps its value for each interval.
    std::string curve(const chart_series& each, const scale& values) const
    {
        std::string line;
        std::string area;
        std::optional<double> begin;
        for (std::size_t i = 0; i <= each.values.size(); ++i) {
            const bool is_there = i < each.values.size() && !std::isnan(each.values[i]);
            if (begin && !is_there) {
                area += 'L' + fixed(x(i)) + " 100L" + fixed(*begin) + " 100Z";
                begin.reset();
            }
            if (!is_there)
                continue;
            const std::string from = fixed(x(i)) + ' ' + fixed(values.place(each.values[i]));
            line += (begin ? 'L' : 'M') + from + 'H' + fixed(x(i + 1));
            area += (begin ? 'L' : 'M') + from + 'H' + fixed(x(i + 1));
            if (!begin)
                begin = x(i);
        }
        std::string result;
        if (each.type == chart_series::kind::area)
            result += "<path class=\"area " + each.style + "\" d=\"" + area + "\"/>";
        return result + "<path class=\"line " + each.style + "\" d=\"" + line + "\"/>";
    }

    /// Puts a bar on those that are there, and says where it ends.
    static double stack(std::vector<double>& below, std::size_t index, double value)
    {
        below.resize(std::max(below.size(), index + 1));
        return below[index] += value;
    }

    std::string bars(const chart_series& each, const scale& values,
                     std::vector<double>& below) const
    {
        std::string path;
        for (std::size_t i = 0; i < each.values.size(); ++i)
            if (each.values[i] > 0) {
                const double top = stack(below, i, each.values[i]);
                const std::string bottom = fixed(values.place(top - each.values[i]));
                // Not so narrow that it cannot be seen.
                const double width = std::max(x(i + 1) - x(i) - 0.5, 2.5);
                path += 'M' + fixed(x(i)) + ' ' + bottom + 'V' + fixed(values.place(top)) + 'h' +
                        fixed(width) + 'V' + bottom + 'Z';
            }
        return "<path class=\"bars " + each.style + "\" d=\"" + path + "\"/>";
    }

    std::string marks() const
    {
        std::string result;
        for (std::size_t i = 0; i < marks_.size(); ++i)
            if (marks_[i] > 0.005)
                result += "<rect class=\"mark\" x=\"" + fixed(x(i)) + "\" y=\"0\" width=\"" +
                          fixed(x(i + 1) - x(i)) + "\" height=\"100\" opacity=\"" +
                          fixed(std::min(1.0, marks_[i])) + "\"/>";
        return result;
    }

    std::string legend() const
    {
        std::string result;
        for (const chart_series& each : series_)
            result += "<span class=\"key " + each.style + "\">" + html(each.name) + "</span>";
        if (std::any_of(marks_.begin(), marks_.end(), [](double share) { return share > 0; }))
            result += "<span class=\"key mark\">" + html(marks_name_) + "</span>";
        return result;
    }

    std::string time_axis() const
    {
        double step = 0.001;
        for (const double each :
             {0.002, 0.005,  0.01,   0.02,   0.05,    0.1,     0.2,     0.5,    1.0,
              2.0,   5.0,    10.0,   15.0,   30.0,    60.0,    120.0,   300.0,  600.0,
              900.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0})
            if (seconds_ / step > 8)
                step = each;
        while (seconds_ / step > 8)
            step *= 2;
        std::string result;
        for (int i = 0; i * step <= seconds_ * 1.0001; ++i)
            result += "<span class=\"x\" style=\"left:" + fixed(i * step / seconds_ * 100) +
                      "%\">" + html(i == 0 ? "0" : time_text(i * step)) + "</span>";
        return result;
    }

    std::string title_;
    double seconds_;
    double interval_;
    bool logarithmic_ = false;
    std::string (*label_)(double) = number_text;
    std::vector<chart_series> series_;
    std::string marks_name_;
    std::vector<double> marks_;
};

#endif
