"""A thread of Python that computes with one thread, whatever the others compute with.

`torch.set_num_threads` sets OpenMP's number of threads for its caller, but MKL's for the whole
process (pytorch, aten/src/ATen/ParallelOpenMP.cpp): a worker that calls it changes the order in
which everybody's products are summed, and so their last bits. Both libraries have a setting for
the calling thread alone (OpenMP 5.2, section 18.2.1; oneMKL, `mkl_set_num_threads_local`), which
torch does not offer. The functions are looked up in torch's own library and what it is linked to.
"""

import ctypes
import sys
from functools import cache
from pathlib import Path

import torch

LIBRARIES = {"linux": "libtorch_cpu.so", "darwin": "libtorch_cpu.dylib"}


def has_single_threads() -> bool:
    """Whether `use_single_thread` works: not on Windows, nor where torch has other libraries."""
    return setters() is not None


def use_single_thread() -> None:
    """From now on the calling thread computes alone. Asks for `has_single_threads`."""
    found = setters()
    assert found is not None
    torch.get_num_threads()  # at its first use in a thread, torch sets the number of the process
    for function in found:
        function(1)


@cache
def setters() -> "tuple[ctypes._NamedFuncPointer, ...] | None":
    if sys.platform not in LIBRARIES or "backend: OpenMP" not in torch.__config__.parallel_info():
        return None
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / LIBRARIES[sys.platform]))
    names = ["omp_set_num_threads"]
    if torch.backends.mkl.is_available():
        names.append("MKL_Set_Num_Threads_Local")
    try:
        return tuple(library[name] for name in names)
    except AttributeError:
        return None
