"""Calls of functions that ``torch.compile`` compiles, each with the seconds that compiling took.

A function is compiled at its first call, and again for another field, method, shape or dtype; new
contents of tensors, times and tolerances need nothing new. The compiler
writes C++ and needs a C++ compiler ($CXX or g++).
"""

import time
import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from nodelib.errors import SolverError

Compilable = Callable[..., tuple[Tensor, ...]]


#: So many fields, methods, shapes and dtypes are compiled for in one process.
MANY = 256


#: The first version of PyTorch whose compiler takes loops that write to what they are handed.
SINCE = (2, 13)


class NoCompilerError(Exception):
    """There is no C++ compiler where PyTorch looks for one, or PyTorch is too old."""


def called(function: Compilable, *arguments: object) -> tuple[Tensor, ...]:
    """The function, compiled, of these arguments; what the compiler raises goes through.

    Raises:
        NoCompilerError: as it says.
    """
    from torch._dynamo import config, exc
    from torch._inductor.exc import InductorError

    compiled = _compiled(function)
    # Hooks of modules are compared too, which by default they are not. (config.patch is slow.)
    skipped, config.skip_nnmodule_hook_guards = config.skip_nnmodule_hook_guards, False
    try:
        try:
            return compiled(*arguments)
        except exc.FailOnRecompileLimitHit:  # many fields, or sizes of batches
            with config.patch(recompile_limit=MANY, accumulated_recompile_limit=4 * MANY):
                return compiled(*arguments)
    except InductorError as error:
        if "InvalidCxxCompiler" not in str(error):
            raise
        raise NoCompilerError("PyTorch finds no C++ compiler (it looks for $CXX or g++)") from None
    finally:
        config.skip_nnmodule_hook_guards = skipped


class Stopwatch:
    """Seconds that compiling took, summed up over calls.

    ``no_compiler``: whether a compiler was looked for in vain, in this process.
    """

    no_compiler = False

    def __init__(self) -> None:
        self.seconds = 0.0

    def call(self, function: Compilable, *arguments: object) -> tuple[Tensor, ...]:
        """The function, compiled, of these arguments.

        Raises:
            SolverError: if the compiler cannot trace the field.
            NoCompilerError: as it says.
        """
        from torch._dynamo import exc

        clock = _clock()
        before = clock.seconds
        try:
            return called(function, *arguments)
        except NoCompilerError as error:
            _do_without(error)
            raise
        except (exc.TorchDynamoException, exc.UncapturedHigherOrderOpError) as error:
            raise SolverError(
                f"The field cannot be compiled as one piece, which compile=True needs: "
                f"{_reason(error)} Use compile=False, or a field that "
                f"torch.compile(fullgraph=True) takes and that changes nothing."
            ) from error
        finally:
            self.seconds += clock.seconds - before


def require_compiler() -> None:
    """NoCompilerError if PyTorch is too old or has looked for a compiler in vain; warns once."""
    if Stopwatch.no_compiler:
        raise NoCompilerError
    version = torch.__version__
    if tuple(map(int, version.split(".")[:2])) < SINCE:
        newer = ".".join(map(str, SINCE))
        error = NoCompilerError(f"PyTorch {version} compiles no such loops ({newer} does)")
        _do_without(error)
        raise error


def _do_without(error: NoCompilerError) -> None:
    Stopwatch.no_compiler = True
    warnings.warn(f"{error}: compile=True solves uncompiled.", UserWarning, stacklevel=3)


def _reason(error: Exception) -> str:
    """The first line of an error of the compiler that says something, as a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.endswith("raised:")] or lines
    told = next((line for line in lines if line.startswith("Explanation:")), lines[0])
    return told.removeprefix("Explanation:").strip().rstrip(".:") + "."


class _Clock:
    """Seconds that PyTorch has spent compiling since this was made."""

    def __init__(self) -> None:
        from torch._dynamo import callback

        self.seconds = self.began = 0.0
        callback.on_compile_start(self.start)
        callback.on_compile_end(self.stop)

    def start(self, _: object) -> None:
        """Compiling begins."""
        self.began = time.perf_counter()

    def stop(self, _: object) -> None:
        """Compiling has ended."""
        self.seconds += time.perf_counter() - self.began


@cache
def _clock() -> _Clock:
    return _Clock()


@cache
def _compiled(function: Compilable) -> Compilable:
    # These need the compiler.
    from nodelib.ode.hyperbolic import write_tanh
    from nodelib.ode.rewriting import Rewriting
    from nodelib.ode.small_products import write_product

    options = {
        "cpp_wrapper": True,  # the loop itself is then C++ as well
        "cpp.enable_floating_point_contract_flag": "fast",  # a * b + c is rounded once
        "post_grad_custom_pre_pass": Rewriting(write_product, write_tanh),
    }
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)
