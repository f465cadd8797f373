"""The Conan 2 recipe of headgate, for the checkout that it is part of:

    conan create cmake/conan --build=missing

The tests check its syntax, names and versions against CMakeLists.txt. By hand it was run with Conan
2.9 and stand-ins for the packages that it requires; not with those of a registry.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir


class HeadgateConan(ConanFile):
    name = "headgate"
    description = "Rate-limited, paginated extraction for C++20 coroutines"
    license = "BSL-1.0"
    topics = ("rate-limiting", "pagination", "coroutines", "asio", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"http": [True, False], "extract": [True, False], "simdjson": [True, False],
               "sqlite": [True, False], "redis": [True, False]}
    default_options = {"http": True, "extract": True, "simdjson": False, "sqlite": False,
                       "redis": False}
    no_copy_source = True

    # Of each component: those that it stands on, and its package with the target it takes.
    parts = {
        "flow": ([], "asio/[>=1.22.1 <2]", "asio::asio"),
        "http": (["flow"], "libcurl/[>=7.85 <9]", "libcurl::libcurl"),
        "extract": (["http"], "nlohmann_json/[>=3.9 <4]", "nlohmann_json::nlohmann_json"),
        "simdjson": (["extract"], "simdjson/[>=3 <4]", "simdjson::simdjson"),
        "sqlite": (["extract"], "sqlite3/[>=3.35 <4]", "sqlite3::sqlite3"),
        "redis": (["extract"], "hiredis/[>=0.14 <2]", "hiredis::hiredis"),
        "testing": (["flow"], None, None),
        "simulation": (["http", "testing"], None, None),
    }

    def _wanted(self):
        wanted = {name for name in self.parts if self.options.get_safe(name)}
        # An option brings what it stands on.
        if wanted & {"simdjson", "sqlite", "redis"}:
            wanted.add("extract")
        if "extract" in wanted:
            wanted.add("http")
        wanted |= {"flow", "testing"}
        if "http" in wanted:
            wanted.add("simulation")
        return [name for name in self.parts if name in wanted]

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        lists = load(self, os.path.join(self._root, "CMakeLists.txt"))
        self.version = re.search(r"project\(\s*headgate\s+VERSION (\S+)", lists).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "include/*", "cmake/*.cmake", "cmake/*.in"):
            copy(self, pattern, self._root, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        for name in self._wanted():
            package = self.parts[name][1]
            if package:
                self.requires(package, transitive_headers=True, transitive_libs=True)

    def package_id(self):
        # One package for every compiler; which headers are in it depends on the options alone.
        self.info.settings.clear()
        self.info.requires.clear()

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["HEADGATE_COMPONENTS"] = ";".join(self._wanted())
        toolchain.cache_variables["HEADGATE_BUILD_TESTS"] = False
        toolchain.cache_variables["HEADGATE_BUILD_EXAMPLES"] = False
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        CMake(self).configure()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # What Conan generates takes the place of headgate's own package files.
        rmdir(self, os.path.join(self.package_folder, "share"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "headgate")
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        for name in self._wanted():
            needs, package, target = self.parts[name]
            component = self.cpp_info.components[name]
            target_name = "headgate" if name == "flow" else name
            component.set_property("cmake_target_name", f"headgate::{target_name}")
            module = "headgate" if name == "flow" else f"headgate-{name}"
            component.set_property("pkg_config_name", module)
            component.bindirs = []
            component.libdirs = []
            component.requires = needs + ([target] if package else [])
        flow = self.cpp_info.components["flow"]
        # clang needs the last two with an Asio before 1.26; others define them themselves.
        flow.defines = ["ASIO_STANDALONE", "ASIO_HAS_CO_AWAIT=1", "ASIO_HAS_STD_COROUTINE=1"]
        if self.settings.os in ("Linux", "FreeBSD"):
            flow.system_libs = ["pthread"]
