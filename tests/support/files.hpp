#ifndef HEADGATE_TESTS_SUPPORT_FILES_HPP
#define HEADGATE_TESTS_SUPPORT_FILES_HPP

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>

namespace support {

inline std::string read_file(const std::filesystem::path& file)
{
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

inline void write_file(const std::filesystem::path& file, const std::string& bytes)
{
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << bytes;
    if (!out.flush())
        throw std::runtime_error{file.string() + " cannot be written"};
}

/// A directory of its own that goes with all that is in it.
class temporary_directory {
public:
    temporary_directory()
    {
        std::string name = (std::filesystem::temp_directory_path() / "headgate-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::runtime_error{name + " cannot be made"};
        path_ = name;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    const std::filesystem::path& path() const { return path_; }

    /// Every file that is there, with what is in it.
    std::map<std::string, std::string> files() const
    {
        std::map<std::string, std::string> result;
        for (const auto& each : std::filesystem::directory_iterator{path_})
            result[each.path().filename().string()] =
                each.is_regular_file() ? read_file(each.path()) : "not a file";
        return result;
    }

private:
    std::filesystem::path path_;
};

} // namespace support

#endif
