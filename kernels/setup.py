"""Compiles the library of the package, or says what is missing."""

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ONEDNN = {"onednn-devel-cpu-gomp": "dnnl.hpp", "onednn-cpu-gomp": "libdnnl.so"}


class Build(build_ext):
    def run(self):
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            found = f"{platform.system()} on {platform.machine()}"
            refuse(f"oneDNN comes as a package for Linux on x86-64 only, and this is {found}")
        library, headers = folder("onednn-cpu-gomp"), folder("onednn-devel-cpu-gomp")
        xla = importlib.util.find_spec("jaxlib")
        if xla is None:
            refuse("jaxlib, whose headers are needed, is not installed")
        (extension,) = self.extensions
        extension.include_dirs = [str(Path(xla.origin).parent / "include"), str(headers)]
        extension.library_dirs = [str(library)]
        super().run()

    def build_extension(self, extension):
        compiler = self.compiler.compiler_so_cxx[0]
        if shutil.which(compiler) is None:
            refuse(f"there is no C++ compiler: {compiler!r} was not found (CXX names another)")
        try:
            super().build_extension(extension)
        except Exception as error:
            refuse(f"{compiler!r} failed ({error}); it must know C++20, as GCC does from 11 on")


def folder(distribution):
    """Where the file of an installed distribution that we look for lies."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        refuse(f"{distribution}, which is needed to build, is not installed")
    return next(Path(f.locate()).parent for f in files if f.name == ONEDNN[distribution])


def refuse(why):
    raise SystemExit(f"tricorn-kernels cannot be built: {why}. Tricorn works without it.")


setup(
    cmdclass={"build_ext": Build},
    ext_modules=[
        Extension(
            "tricorn_kernels._onednn",
            ["convolution.cc"],
            language="c++",
            libraries=["dnnl"],
            extra_compile_args=["-std=c++20", "-O2", "-fopenmp", "-fvisibility=hidden"],
            extra_link_args=["-fopenmp", "-Wl,--no-undefined", "-s"],
        )
    ],
)
