#!/usr/bin/env python3
"""Takes headgate into projects outside its tree, in each of the ways that the README names, and
builds and runs what they make of it. CTest runs one case at a time."""

import argparse
import ast
import json
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
COMPONENTS = ["flow", "http", "extract", "simdjson", "sqlite", "redis", "testing", "simulation"]
# What projects like to turn on; there must be nothing to say about the headers.
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion",
            "-Wold-style-cast", "-Woverloaded-virtual", "-Wnon-virtual-dtor", "-Werror"]
OPT_IN = {"simdjson", "sqlite", "redis"}
PACKAGES = ["CURL", "nlohmann_json", "simdjson", "SQLite3", "hiredis"]


class Packaging:
    def __init__(self, options):
        self.cmake = options.cmake
        self.compiler = options.compiler
        self.generator = options.generator
        self.asio = options.asio
        self.work = Path(options.work)
        self.common = ["-G", options.generator, f"-DCMAKE_CXX_COMPILER={options.compiler}",
                       "-DCMAKE_BUILD_TYPE=", "-DCMAKE_CXX_FLAGS=-O0"]
        if options.asio:
            self.common.append(f"-Dasio_INCLUDE_DIR={options.asio}")
        # Before any other headgate that this machine may have.
        self.prefix = self.work / "a prefix with spaces"
        self.found_here = f"-DCMAKE_PREFIX_PATH={self.prefix}"

    # What the cases are made of.

    def run(self, *command, **more):
        command = [str(part) for part in command]
        print("+", shlex.join(command), flush=True)
        return subprocess.run(command, text=True, check=True, **more)

    def configure(self, source, build, *options, fails=False):
        """Runs CMake and returns all that it prints, in one line: CMake wraps its messages."""
        command = [self.cmake, "-S", str(source), "-B", str(build), *self.common, *options]
        print("+", shlex.join(command), flush=True)
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout, flush=True)
        assert (done.returncode != 0) == fails, f"CMake ended with {done.returncode}"
        return " ".join(done.stdout.split())

    def fresh(self, name):
        build = self.work / name
        shutil.rmtree(build, ignore_errors=True)
        return build

    def build_and_run(self, build, programs):
        # One job, for the suite runs several tests at a time.
        self.run(self.cmake, "--build", build, "--parallel", "1")
        for program in programs:
            self.run(build / program)

    def traps(self):
        """Options that make it an error to look for any of the optional packages."""
        return f"-DCMAKE_MODULE_PATH={HERE / 'traps'}"

    def included(self, prefix, source, *flags):
        """All files that the headers in a prefix include, those of other libraries among them."""
        headers = sorted((prefix / "include").rglob("*.hpp"))
        source.write_text("".join(f"#include <{path.relative_to(prefix / 'include')}>\n"
                                  for path in headers))
        files = self.run(self.compiler, "-std=c++20", "-M", *flags, "-I", prefix / "include",
                         source, stdout=subprocess.PIPE).stdout
        assert "async_limiter.hpp" in files
        return files

    # The cases.

    def manifests(self):
        """vcpkg.json, the overlay port and the Conan recipe say what CMakeLists.txt says. That they
        work is not checked, for that takes the registries."""
        printed = self.run(self.cmake, "-P", HERE / "components.cmake",
                           stdout=subprocess.PIPE).stdout
        table = {}
        for line in printed.splitlines():
            name, needs, package = line.removeprefix("-- ").split("|")
            table[name] = (needs.split(";") if needs else [], package.split(";"))
        assert list(table) == COMPONENTS
        options = re.findall(r"\b(HEADGATE_\w+)", (SOURCE / "CMakeLists.txt").read_text())

        # Names that a package has elsewhere.
        vcpkg_names = {"CURL": "curl", "nlohmann_json": "nlohmann-json", "SQLite3": "sqlite3"}
        port = SOURCE / "cmake/vcpkg/headgate"
        development = {"tests", "examples", "benchmarks"}
        for manifest, more in [(SOURCE / "vcpkg.json", development), (port / "vcpkg.json", set())]:
            said = json.loads(manifest.read_text())
            features = said["features"]
            assert (said["name"], said["version-semver"]) == ("headgate", version()), manifest
            assert set(features) == {"http", "extract"} | OPT_IN | more, manifest
            assert set(said["default-features"]) <= set(features), manifest
            assert "asio" in said["dependencies"], manifest
            for feature in features:
                names, inner = set(), set()
                for each in features[feature]["dependencies"]:
                    if isinstance(each, dict) and each["name"] == "headgate":
                        inner |= set(each["features"])
                    else:
                        names.add(each if isinstance(each, str) else each["name"])
                if feature in more:
                    assert f"HEADGATE_BUILD_{feature.upper()}" in options
                    assert inner == {"extract"}, f"{manifest}: {feature}"
                else:
                    needs, (package, *_) = table[feature]
                    assert names == {vcpkg_names.get(package, package)}, f"{manifest}: {feature}"
                    assert inner == set(needs) - {"flow"}, f"{manifest}: {feature}"

        build, packages = self.fresh("vcpkg build"), self.fresh("vcpkg packages")
        for name in re.findall(r"-D(HEADGATE_\w+)", (port / "portfile.cmake").read_text()):
            assert name in options, f"the port sets {name}"
        self.run(self.cmake, f"-DPORT_DIR={port}", f"-DPACKAGES_DIR={packages}",
                 f"-DBUILD_DIR={build}", f"-DGENERATOR={self.generator}",
                 "-DFEATURES=core;http;extract", "-P", HERE / "vcpkg_stand_in.cmake")
        targets = {path.name for path in (packages / "share/headgate").glob("*-targets.cmake")}
        assert targets == {f"headgate-{name}-targets.cmake" for name in COMPONENTS if
                           name not in OPT_IN}, targets
        assert (packages / "share/headgate/copyright").is_file()
        assert (packages / "share/headgate/usage").is_file()

        assert f'"headgate/{version()}"' in (SOURCE / "README.md").read_text(), "README.md"

        # The recipe is read, not run: conan may not be installed.
        recipe = ast.parse((SOURCE / "cmake/conan/conanfile.py").read_text())
        ast.parse((SOURCE / "cmake/conan/test_package/conanfile.py").read_text())
        values = {}
        for node in ast.walk(recipe):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                try:
                    values[node.targets[0].id] = ast.literal_eval(node.value)
                except ValueError:
                    pass
        assert values["name"] == "headgate" and list(values["parts"]) == COMPONENTS
        conan_names = {"CURL": "libcurl", "SQLite3": "sqlite3"}
        for name, (needs, reference, _) in values["parts"].items():
            package = table[name][1]
            assert needs == table[name][0], f"the recipe's needs of {name}"
            if package[0]:
                wanted = f"{conan_names.get(package[0], package[0])}/[>={package[1]} <"
                assert reference.startswith(wanted), f"the recipe requires {reference}"
            else:
                assert reference is None, f"the recipe requires {reference}"
        for option in values["options"]:
            assert option in COMPONENTS

    def install(self):
        build = self.fresh("install")
        shutil.rmtree(self.prefix, ignore_errors=True)
        self.configure(SOURCE, build, "-DHEADGATE_BUILD_TESTS=OFF", "-DHEADGATE_BUILD_EXAMPLES=OFF",
                       f"-DHEADGATE_COMPONENTS={';'.join(COMPONENTS)}")
        self.run(self.cmake, "--install", build, "--prefix", self.prefix)
        headers = {path.relative_to(SOURCE / "include")
                   for path in (SOURCE / "include").rglob("*.hpp")}
        installed = {path.relative_to(self.prefix / "include")
                     for path in (self.prefix / "include").rglob("*.hpp")}
        assert headers == installed, f"not installed: {sorted(map(str, headers - installed))}"
        for path in (self.prefix / "share").rglob("*"):
            assert path.is_dir() or str(SOURCE) not in path.read_text(), f"{path} names the source"

    def find_package(self):
        build = self.fresh("find_package")
        self.configure(HERE / "find_package", build, self.found_here,
                       f"-DCOMPONENTS={';'.join(COMPONENTS)}")
        self.build_and_run(build, COMPONENTS)

    def fetch_content(self):
        build = self.fresh("fetch_content")
        self.configure(HERE / "fetch_content", build,
                       f"-DFETCHCONTENT_SOURCE_DIR_HEADGATE={SOURCE}")
        self.build_and_run(build, ["extract", "simulation"])

    def add_subdirectory(self):
        build = self.fresh("add_subdirectory")
        self.configure(HERE / "add_subdirectory", build, f"-DHEADGATE_SOURCE={SOURCE}")
        assert not list(build.rglob("compile_commands.json")), "compile commands are exported"
        self.build_and_run(build, ["flow", "http", "extract", "own_asio"])
        prefix = self.work / "prefix of the parent"
        shutil.rmtree(prefix, ignore_errors=True)
        self.run(self.cmake, "--install", build, "--prefix", prefix)
        files = [path.name for path in prefix.rglob("*") if path.is_file()]
        assert files == ["own_asio"], f"the parent installs {files}"

    def pkg_config(self):
        build = self.fresh("pkg_config")
        build.mkdir(parents=True)
        # Where the installation went is not where it stays.
        moved = self.work / "another prefix with spaces"
        shutil.rmtree(moved, ignore_errors=True)
        shutil.copytree(self.prefix, moved)
        path = os.pathsep.join([str(moved / "share/pkgconfig"),
                                os.environ.get("PKG_CONFIG_PATH", "")])
        environment = dict(os.environ, PKG_CONFIG_PATH=path)

        def ask(*arguments):
            done = self.run("pkg-config", *arguments, stdout=subprocess.PIPE, env=environment)
            return shlex.split(done.stdout)

        for name in ["flow", "http", "extract"]:
            module = "headgate" if name == "flow" else f"headgate-{name}"
            assert ask("--modversion", module) == [version()], "the version of the module"
            compile_flags, link_flags = ask("--cflags", module), ask("--libs", module)
            assert str(self.prefix) not in " ".join(compile_flags), "it did not move along"
            assert ("-lcurl" in link_flags) == (name != "flow"), "libcurl is for http and above"
            if self.asio:
                compile_flags.append(f"-I{self.asio}")
            self.run(self.compiler, "-std=c++20", "-O0", *WARNINGS, *compile_flags,
                     HERE / f"programs/{name}.cpp", "-o", build / name, *link_flags)
            self.run(build / name)

    def flow_only(self):
        """A machine without libcurl and all the others: they are not even looked for."""
        build = self.fresh("flow_only")
        prefix = self.work / "a prefix with flow only"
        shutil.rmtree(prefix, ignore_errors=True)
        self.configure(SOURCE, build / "headgate", "-DHEADGATE_COMPONENTS=flow", self.traps())
        self.run(self.cmake, "--install", build / "headgate", "--prefix", prefix)
        self.configure(HERE / "find_package", build / "consumer", self.traps(),
                       f"-DCMAKE_PREFIX_PATH={prefix}", "-DCOMPONENTS=flow")
        self.build_and_run(build / "consumer", ["flow"])

        # No header of flow reaches for what is not there, nor for another layer, which would be
        # missing in this prefix.
        asio = [f"-I{self.asio}"] if self.asio else []
        files = self.included(prefix, build / "everything.cpp", "-DASIO_STANDALONE", *asio)
        strangers = re.findall(r"\S*/(?:curl|nlohmann|simdjson|sqlite3|hiredis)\S*", files)
        assert not strangers, f"flow includes {strangers}"

    def boost(self):
        """Boost.Asio in the place of standalone Asio, which is not even looked for."""
        build = self.fresh("boost")
        prefix = self.work / "a prefix with Boost.Asio"
        shutil.rmtree(prefix, ignore_errors=True)
        traps = build / "traps"
        traps.mkdir(parents=True)
        trap = (HERE / "traps/FindCURL.cmake").read_text()
        (traps / "Findasio.cmake").write_text(trap.replace("CURL", "asio"))
        trapped = f"-DCMAKE_MODULE_PATH={traps}"

        said = self.configure(SOURCE, build / "refused", "-DHEADGATE_ASIO=beast", trapped,
                              fails=True)
        assert 'HEADGATE_ASIO is "beast", it can be: standalone boost' in said
        said = self.configure(SOURCE, build / "refused", "-DHEADGATE_COMPONENTS=flow",
                              "-DHEADGATE_ASIO=boost", trapped,
                              "-DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON", fails=True)
        assert "the layer flow needs Boost 1.81 or later, which was not found" in said
        self.configure(SOURCE, build / "headgate", "-DHEADGATE_COMPONENTS=extract;simulation",
                       "-DHEADGATE_ASIO=boost", trapped)
        self.run(self.cmake, "--install", build / "headgate", "--prefix", prefix)

        # No header takes what another Asio has, which may be there all the same.
        files = self.included(prefix, build / "everything.cpp", "-DHEADGATE_BOOST_ASIO=1")
        assert "/boost/asio/" in files
        strangers = re.findall(r"\S*(?<!/boost)/asio/\S*", files)
        assert not strangers, f"headgate includes {strangers}"

        # The consumer need not say which.
        self.configure(HERE / "boost", build / "consumer", trapped,
                       f"-DCMAKE_PREFIX_PATH={prefix}")
        self.build_and_run(build / "consumer", ["boost"])

        # Nor with pkg-config.
        environment = dict(os.environ, PKG_CONFIG_PATH=str(prefix / "share/pkgconfig"))
        flags = shlex.split(self.run("pkg-config", "--cflags", "--libs", "headgate-http",
                                     stdout=subprocess.PIPE, env=environment).stdout)
        assert "-DHEADGATE_BOOST_ASIO=1" in flags and "-DASIO_STANDALONE" not in flags
        self.run(self.compiler, "-std=c++20", "-O0", *WARNINGS, HERE / "boost/main.cpp",
                 "-o", build / "boost", *flags)
        self.run(build / "boost")

    def mixed(self):
        """A program of which one part was compiled with Boost.Asio and one without does not link,
        even if all that they share knows nothing of Asio."""
        build = self.fresh("mixed")
        build.mkdir(parents=True)
        modes = {"standalone_asio": ["-DASIO_STANDALONE"],
                 "boost_asio": ["-DHEADGATE_BOOST_ASIO=1"]}
        for name, flags in modes.items():
            for part in ["main", "part"]:
                self.run(self.compiler, "-std=c++20", *flags, "-I", SOURCE / "include", "-c",
                         HERE / f"mixed/{part}.cpp", "-o", build / f"{name}.{part}.o")
        for main in modes:
            for part in modes:
                command = [self.compiler, build / f"{main}.main.o", build / f"{part}.part.o", "-o",
                           build / "program"]
                done = subprocess.run(command, text=True, stderr=subprocess.PIPE)
                print(main, "with", part, done.stderr, flush=True)
                assert (done.returncode == 0) == (main == part), f"{main} with {part}"
                if main != part:
                    missing = rf"undefined.*holds\(headgate::{main}::permit const&\)"
                    assert re.search(missing, done.stderr), done.stderr
                else:
                    self.run(build / "program")

    def refused(self):
        build = self.fresh("refused")

        def ask(arguments, *options, fails=False):
            # What is hidden in one question is not in the next.
            hidden = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=OFF" for name in PACKAGES]
            return self.configure(HERE / "probe", build, self.found_here, "-DCMAKE_MODULE_PATH=",
                                  f"-DARGUMENTS={arguments.replace(' ', ';')}", *hidden, *options,
                                  fails=fails)

        def targets(text):
            return re.findall(r"target: (\w+)", text)

        everything = ["headgate"] + COMPONENTS[1:]
        # A component that there is not, required or not.
        said = ask("CONFIG REQUIRED COMPONENTS http redes", fails=True)
        assert 'There is no component "redes" of headgate, only: flow, http, ' in said
        said = ask("CONFIG COMPONENTS http redes")
        assert "found: 0" in said and targets(said) == []
        said = ask("CONFIG REQUIRED COMPONENTS testing OPTIONAL_COMPONENTS redes")
        assert targets(said) == ["headgate", "testing"]

        # A version that is not compatible.
        for wanted in ["0.2", "0.0.9", "1.0"]:
            said = ask(f"{wanted} CONFIG REQUIRED", fails=True)
            assert f'compatible with requested version "{wanted}"' in said
            assert f"version: {version()}" in said

        # A package that is missing, where it is needed and where it is not.
        no_curl = "-DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON"
        said = ask("CONFIG REQUIRED COMPONENTS extract", no_curl, fails=True)
        assert 'The component "extract" of headgate needs CURL 7.85 or later, which was' in said
        assert targets(ask("CONFIG REQUIRED", no_curl)) == ["headgate", "testing"]
        assert targets(ask("CONFIG REQUIRED")) == everything

        # Nothing is looked for that was not asked for.
        traps = self.traps()
        assert targets(ask("CONFIG REQUIRED COMPONENTS testing", traps)) == ["headgate", "testing"]
        said = ask("CONFIG REQUIRED COMPONENTS http", f"-DCMAKE_MODULE_PATH={self.half_trap()}")
        assert targets(said) == ["headgate", "http"]
        said = ask("CONFIG REQUIRED COMPONENTS http", traps, fails=True)
        assert "CURL was looked for" in said, "the traps do not work"

        # A component that this installation does not have.
        config = self.prefix / "share/cmake/headgate/headgateConfig.cmake"
        part = self.work / "a prefix without simdjson"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.prefix, part)
        config = part / config.relative_to(self.prefix)
        config.write_text(re.sub(r"(set\(installed .*?);?simdjson", r"\1", config.read_text()))
        said = ask("CONFIG REQUIRED COMPONENTS simdjson", f"-DCMAKE_PREFIX_PATH={part}",
                   "-Uheadgate_DIR", fails=True)
        assert 'This headgate was installed without its component "simdjson"' in said

        # The build itself.
        build = self.fresh("refused")
        said = self.configure(SOURCE, build, "-DHEADGATE_COMPONENTS=flow;redes", fails=True)
        assert 'HEADGATE_COMPONENTS has "redes", it can have: flow http ' in said
        said = self.configure(SOURCE, build, "-DHEADGATE_COMPONENTS=http", no_curl, fails=True)
        assert "the layer http needs CURL 7.85 or later, which was not found" in said

    def half_trap(self):
        """A directory with all traps but that of libcurl."""
        traps = self.fresh("traps without libcurl")
        shutil.copytree(HERE / "traps", traps)
        (traps / "FindCURL.cmake").unlink()
        return traps


def version():
    lists = (SOURCE / "CMakeLists.txt").read_text()
    return re.search(r"project\(\s*headgate\s+VERSION (\S+)", lists).group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("--work", required=True, help="a directory for what is built")
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--asio", default="", help="where asio.hpp is, if not in /usr/include")
    options = parser.parse_args()
    getattr(Packaging(options), options.case)()


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"packaging.py: {error}")
