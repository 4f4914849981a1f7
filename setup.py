"""The compiled part of the scanner; all else is in pyproject.toml.

Without a C compiler or Python's headers the installation goes on, and the scanner runs in Python.
"""

from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

(whole,) = cythonize(
    Extension(
        "services.common.mime.whole",
        ["services/common/mime/whole.pyx"],
        depends=glob("services/common/mime/whole_*.pxi"),
        extra_compile_args=["-O3"],
    )
)
whole.optional = True  # which `cythonize` does not hand on

setup(ext_modules=[whole])
