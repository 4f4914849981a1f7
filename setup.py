"""The compiled part of the scanner; all else is in pyproject.toml.

Without a C compiler or Python's headers the installation goes on, and the scanner runs in Python.
"""

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError


class BuildWhereThereIsACompiler(build_ext):
    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except OSError as error:  # no compiler: an optional extension may fail only so
            raise CompileError(str(error)) from error


WHOLE = Extension(
    "services.common.mime.whole",
    ["services/common/mime/whole.pyx"],
    depends=["services/common/mime/whole_octets.pxi", "services/common/mime/whole_values.pxi"],
    optional=True,
)

setup(ext_modules=cythonize([WHOLE]), cmdclass={"build_ext": BuildWhereThereIsACompiler})
